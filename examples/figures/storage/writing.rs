//! Many writers of one task, and a reader that takes snapshots of it: what is up to a number is all there,
//! and never changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use prost::Message;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tagates::pb::StoredObservation;
use tagates::pb::record_result::Outcome;
use tokio::task::JoinSet;
use tokio::time;
use tonic::transport::Channel;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::processes::Tagates;
use crate::service::{Listing, cells, connect, last_sequence, observation, record, value};

const N_WRITERS: u64 = 20;
/// Numbers that are asked for in one call.
const N_NUMBERS: i64 = 1_000;

/// What the reader saw.
#[derive(Default)]
struct Seen {
    /// Of each row, by its number less one; `None` where a snapshot that should have it had not.
    digests: Vec<Option<u64>>,
    n_snapshots: usize,
    n_read_again: usize,
    n_gaps: usize,
    n_changed: usize,
}

/// Writers and reader for some seconds, then all is read once more.
pub async fn write(tagates: &Tagates, kind: Kind, seconds: u64) -> anyhow::Result<Figure> {
    let database = Database::new(kind)?;
    let server = tagates.serve(&database.flags())?;
    let is_over = Arc::new(AtomicBool::new(false));
    let cells = Arc::new(cells());
    let mut writers = JoinSet::new();
    for writer in 0..N_WRITERS {
        let channel = connect(&server.url()).await?;
        writers.spawn(record_batches(channel, writer, cells.clone(), is_over.clone()));
    }
    let reader = tokio::spawn(take_snapshots(connect(&server.url()).await?, is_over.clone()));
    time::sleep(Duration::from_secs(seconds)).await;
    is_over.store(true, Ordering::Release);
    let mut n_written = 0;
    while let Some(written) = writers.join_next().await {
        n_written += written??;
    }
    let seen = reader.await??;

    let channel = connect(&server.url()).await?;
    let (mut n_stored, mut n_late, mut n_changed) = (0, 0, seen.n_changed);
    let mut listing = Listing::new(&channel);
    while let Some(page) = listing.page().await? {
        for stored in page {
            n_stored += 1;
            match seen.digests.get(usize::try_from(stored.sequence - 1)?) {
                Some(None) => n_late += 1,
                Some(Some(before)) => n_changed += usize::from(*before != digest(&stored)?),
                // After the last snapshot.
                None => {}
            }
        }
    }
    let last = last_sequence(&channel).await?;
    server.stop()?;

    let mut figure = Figure {
        text: format!(
            "{N_WRITERS} writers, {seconds} s, {n_written} observations, {} snapshots ({} rows read again): \
             {} gaps seen, {n_late} rows appeared later, {n_changed} changed",
            seen.n_snapshots, seen.n_read_again, seen.n_gaps,
        ),
        ..Figure::default()
    };
    figure.expect(seen.n_snapshots > 1, "snapshots were taken");
    figure.expect(seen.n_gaps == 0, "a snapshot has every number up to its own");
    figure.expect(n_late == 0 && n_changed == 0, "a snapshot never changes");
    figure.expect(
        n_stored == n_written && last == i64::try_from(n_written)?,
        &format!("all that was acknowledged is stored: {n_written}, {n_stored} stored, last number {last}"),
    );
    Ok(figure)
}

/// Batches of 1 to 100, one after the other, until it is over; how many were acknowledged.
async fn record_batches(
    channel: Channel,
    writer: u64,
    cells: Arc<Vec<String>>,
    is_over: Arc<AtomicBool>,
) -> anyhow::Result<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(writer);
    let mut n_written: usize = 0;
    while !is_over.load(Ordering::Acquire) {
        let n = rng.random_range(1..=100);
        let batch = (n_written..n_written + n).map(|index| {
            let seed = writer + N_WRITERS * (index / cells.len()) as u64;
            observation(&cells[index % cells.len()], seed.cast_signed(), value(index))
        });
        for outcome in record(&channel, batch.collect()).await? {
            anyhow::ensure!(matches!(outcome, Outcome::NewSequence(_)), "not new: {outcome:?}");
        }
        n_written += n;
    }
    Ok(n_written)
}

/// Reads what is new up to the last number, and some of what was read before once more, until it is over.
async fn take_snapshots(channel: Channel, is_over: Arc<AtomicBool>) -> anyhow::Result<Seen> {
    let mut rng = ChaCha8Rng::seed_from_u64(N_WRITERS);
    let mut seen = Seen::default();
    while !is_over.load(Ordering::Acquire) {
        let before = i64::try_from(seen.digests.len())?;
        let up_to = last_sequence(&channel).await?;
        seen.digests.resize(usize::try_from(up_to)?, None);
        let mut first = before + 1;
        while first <= up_to {
            let last = up_to.min(first + N_NUMBERS - 1);
            read(&channel, first, last, &mut seen).await?;
            first = last + 1;
        }
        let missing = seen.digests[usize::try_from(before)?..].iter().filter(|digest| digest.is_none());
        seen.n_gaps += missing.count();
        seen.n_snapshots += 1;
        if before > 0 {
            let first = rng.random_range(1..=before);
            seen.n_read_again += read(&channel, first, before.min(first + N_NUMBERS - 1), &mut seen).await?;
        }
    }
    Ok(seen)
}

/// Reads the rows with these numbers; how many there are.
async fn read(channel: &Channel, first: i64, last: i64, seen: &mut Seen) -> anyhow::Result<usize> {
    let mut n_read = 0;
    let mut listing = Listing::numbered(channel, first..=last);
    while let Some(page) = listing.page().await? {
        for stored in page {
            n_read += 1;
            let place = usize::try_from(stored.sequence - 1)?;
            let digest = digest(&stored)?;
            let before = seen.digests.get_mut(place).context("a number that was asked for")?.replace(digest);
            seen.n_changed += usize::from(before.is_some_and(|before| before != digest));
        }
    }
    Ok(n_read)
}

/// Of all that a row says.
fn digest(stored: &StoredObservation) -> anyhow::Result<u64> {
    let digest = Sha256::digest(stored.encode_to_vec());
    Ok(u64::from_le_bytes(digest[..8].try_into()?))
}
