//! Saliencies that were measured: each once, whichever process measured it.

use std::collections::HashMap;

use sqlx::QueryBuilder;

use crate::space::{Architecture, Saliencies, SaliencyOrigin};
use crate::store::architectures::{architecture_ids, digest_of};
use crate::store::backend::{Connection, is_reused, on, row, statements};
use crate::store::tasks::json;
use crate::store::{Error, Store};

impl Store {
    /// What is stored of each of these architectures, in order, measured by `origin`.
    ///
    /// # Errors
    /// When the database fails or a row cannot be read.
    pub async fn saliencies_of(
        &self,
        origin: &SaliencyOrigin,
        architectures: &[Architecture],
    ) -> Result<Vec<Option<Saliencies>>, Error> {
        let digests: Vec<[u8; 32]> = architectures.iter().map(digest_of).collect();
        let mut stored: HashMap<Vec<u8>, String> = HashMap::new();
        let mut reader = self.reader().await?;
        for batch in statements(&digests) {
            let rows = saliencies_by_digest(reader.connection(), origin, batch).await?;
            stored.extend(rows.into_iter().map(|row| (row.digest, row.operations)));
        }
        let found = |(architecture, digest): (&Architecture, &[u8; 32])| {
            stored.get(&digest[..]).map(|operations| read(architecture, operations)).transpose()
        };
        architectures.iter().zip(&digests).map(found).collect()
    }

    /// Keeps what `origin` measured of architectures of one space. Where something is stored already, that stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saliencies_insert(
        &self,
        origin: &SaliencyOrigin,
        measured: &[(&Architecture, &Saliencies)],
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let ids = architecture_ids(&mut tx, measured.iter().map(|(architecture, _)| *architecture)).await?;
        let now = tx.connection().now().await?;
        let mut rows: Vec<_> =
            measured.iter().map(|(architecture, it)| (ids[architecture.text()], *it)).collect();
        // In one order: two that store the same wait for each other in one direction only.
        rows.sort_unstable_by_key(|(id, _)| *id);
        for batch in statements(&rows) {
            saliencies_insert(tx.connection(), origin, batch, now).await?;
        }
        tx.commit().await
    }
}

fn read(architecture: &Architecture, operations: &str) -> Result<Saliencies, Error> {
    let corrupt = |source: Box<dyn std::error::Error + Send + Sync>| {
        Error::corrupt(format!("saliencies of {architecture}"), source)
    };
    let rows: Vec<Vec<f64>> = serde_json::from_str(operations).map_err(|source| corrupt(source.into()))?;
    let saliencies = Saliencies::from_rows(&rows).map_err(|source| corrupt(source.into()))?;
    let (found, expected) = (saliencies.n_operations(), architecture.n_places());
    if found == expected {
        Ok(saliencies)
    } else {
        Err(corrupt(format!("{found} operations, it has {expected}").into()))
    }
}

/// All of one origin are of one key, so seeds need no order.
fn seed(origin: &SaliencyOrigin) -> i64 {
    origin.seed.cast_signed()
}

row! {
    struct SaliencyRow {
        digest: Vec<u8>,
        operations: String,
    }
}

async fn saliencies_by_digest(
    connection: Connection<'_>,
    origin: &SaliencyOrigin,
    batch: &[[u8; 32]],
) -> Result<Vec<SaliencyRow>, Error> {
    const SALIENCIES_BY_DIGEST: &str = "
        SELECT digest,
               operations
        FROM saliencies
        JOIN architectures ON architectures.architecture_id = saliencies.architecture_id
        WHERE proxy_digest = ";
    Ok(on!(connection, |connection| {
        let mut query = QueryBuilder::new(SALIENCIES_BY_DIGEST);
        query.push_bind(&origin.digest).push(" AND seed = ").push_bind(seed(origin));
        query.push(" AND digest IN (");
        let mut digests = query.separated(", ");
        for digest in batch {
            digests.push_bind(&digest[..]);
        }
        query.push(")");
        query.build_query_as().persistent(is_reused(batch)).fetch_all(connection).await
    })?)
}

async fn saliencies_insert(
    connection: Connection<'_>,
    origin: &SaliencyOrigin,
    batch: &[(i64, &Saliencies)],
    now: i64,
) -> Result<(), Error> {
    const SALIENCIES_INSERT: &str = "
        INSERT INTO saliencies (proxy_digest, seed, architecture_id, proxy, operations, measured_at) ";
    on!(connection, |connection| {
        let mut query = QueryBuilder::new(SALIENCIES_INSERT);
        query.push_values(batch, |mut row, (architecture, saliencies)| {
            row.push_bind(&origin.digest)
                .push_bind(seed(origin))
                .push_bind(architecture)
                .push_bind(&origin.proxy)
                .push_bind(json(&saliencies.rows().collect::<Vec<_>>()))
                .push_bind(now);
        });
        query.push(" ON CONFLICT (proxy_digest, seed, architecture_id) DO NOTHING");
        query.build().persistent(is_reused(batch)).execute(connection).await.map(drop)
    })?;
    Ok(())
}
