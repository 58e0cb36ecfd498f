//! Architectures as written, each stored once for all tasks of its space.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest, Sha256};
use sqlx::QueryBuilder;

use crate::space::Architecture;
use crate::store::Error;
use crate::store::backend::{Connection, Transaction, is_reused, on, row, statements};

/// The numbers of these architectures, all of one space, by their texts. Those that were not known are
/// stored.
pub(in crate::store) async fn architecture_ids<'a>(
    tx: &mut Transaction,
    architectures: impl Iterator<Item = &'a Architecture>,
) -> Result<HashMap<&'a str, i64>, Error> {
    // In the order of their texts: transactions of two tasks that store the same ones wait for each other
    // in one direction only.
    let written: BTreeMap<_, _> =
        architectures.map(|architecture| (architecture.text(), architecture)).collect();
    let written: Vec<_> = written.into_values().map(Written::from).collect();
    let mut ids = HashMap::with_capacity(written.len());
    find(tx, &written, &mut ids).await?;
    let unknown: Vec<_> = written.into_iter().filter(|written| !ids.contains_key(written.text())).collect();
    for batch in statements(&unknown) {
        architectures_insert(tx.connection(), batch).await?;
    }
    // Some may have been stored by another transaction since, so their numbers are read, not returned.
    find(tx, &unknown, &mut ids).await?;
    match unknown.iter().find(|written| !ids.contains_key(written.text())) {
        None => Ok(ids),
        Some(lost) => Err(Error::corrupt(format!("architecture {}", lost.text()), "it is gone")),
    }
}

/// The key an architecture is stored under.
pub(in crate::store) fn digest_of(architecture: &Architecture) -> [u8; 32] {
    Sha256::new()
        .chain_update(&architecture.space().name)
        .chain_update([0])
        .chain_update(architecture.text())
        .finalize()
        .into()
}

/// An architecture and the key it is stored under.
#[derive(Clone, Copy)]
struct Written<'a> {
    architecture: &'a Architecture,
    digest: [u8; 32],
}

impl<'a> Written<'a> {
    fn text(&self) -> &'a str {
        self.architecture.text()
    }

    fn space(&self) -> &'a str {
        &self.architecture.space().name
    }
}

impl<'a> From<&'a Architecture> for Written<'a> {
    fn from(architecture: &'a Architecture) -> Self {
        Self { architecture, digest: digest_of(architecture) }
    }
}

async fn find<'a>(
    tx: &mut Transaction,
    written: &[Written<'a>],
    ids: &mut HashMap<&'a str, i64>,
) -> Result<(), Error> {
    for batch in statements(written) {
        let text_of: HashMap<&[u8], &str> =
            batch.iter().map(|written| (&written.digest[..], written.text())).collect();
        for row in architectures_by_digest(tx.connection(), batch).await? {
            ids.extend(text_of.get(&row.digest[..]).map(|text| (*text, row.architecture_id)));
        }
    }
    Ok(())
}

row! {
    struct ArchitectureRow {
        architecture_id: i64,
        digest: Vec<u8>,
    }
}

async fn architectures_by_digest(
    connection: Connection<'_>,
    batch: &[Written<'_>],
) -> Result<Vec<ArchitectureRow>, Error> {
    Ok(on!(connection, |connection| {
        let mut query =
            QueryBuilder::new("SELECT architecture_id, digest FROM architectures WHERE digest IN (");
        let mut digests = query.separated(", ");
        for written in batch {
            digests.push_bind(&written.digest[..]);
        }
        query.push(")");
        query.build_query_as().persistent(is_reused(batch)).fetch_all(connection).await
    })?)
}

async fn architectures_insert(connection: Connection<'_>, batch: &[Written<'_>]) -> Result<(), Error> {
    on!(connection, |connection| {
        let mut query = QueryBuilder::new("INSERT INTO architectures (space, text, digest, canonical_id) ");
        query.push_values(batch, |mut row, written| {
            row.push_bind(written.space())
                .push_bind(written.text())
                .push_bind(&written.digest[..])
                .push_bind(written.architecture.canonical().id.to_string());
        });
        query.push(" ON CONFLICT (digest) DO NOTHING");
        query.build().persistent(is_reused(batch)).execute(connection).await.map(drop)
    })?;
    Ok(())
}
