//! One batch sent again and again by several connections at once: it is stored once.

use tagates::pb::record_result::Outcome;
use tokio::task::JoinSet;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::processes::Tagates;
use crate::service::{Listing, cells, connect, last_sequence, observation, record, value};

const N_CONNECTIONS: usize = 8;
const N_OBSERVATIONS: usize = 1_000;

/// Each connection sends it `times` times, all beginning with an empty task.
pub async fn replay(tagates: &Tagates, kind: Kind, times: usize) -> anyhow::Result<Figure> {
    let database = Database::new(kind)?;
    let server = tagates.serve(&database.flags())?;
    let cells = cells().into_iter().take(N_OBSERVATIONS).enumerate();
    let batch: Vec<_> = cells.map(|(index, cell)| observation(&cell, 0, value(index))).collect();
    let mut connections = JoinSet::new();
    for _ in 0..N_CONNECTIONS {
        let (channel, batch) = (connect(&server.url()).await?, batch.clone());
        connections.spawn(async move {
            let (mut n_new, mut n_other) = (0, 0);
            for _ in 0..times {
                for outcome in record(&channel, batch.clone()).await? {
                    match outcome {
                        Outcome::NewSequence(_) => n_new += 1,
                        Outcome::SameSequence(_) => {}
                        Outcome::Conflict(_) | Outcome::Error(_) => n_other += 1,
                    }
                }
            }
            anyhow::Ok((n_new, n_other))
        });
    }
    let (mut n_new, mut n_other) = (0, 0);
    while let Some(counted) = connections.join_next().await {
        let (new, other) = counted??;
        n_new += new;
        n_other += other;
    }
    let channel = connect(&server.url()).await?;
    let (mut n_stored, mut listing) = (0, Listing::new(&channel));
    while let Some(page) = listing.page().await? {
        n_stored += page.len();
    }
    let last = last_sequence(&channel).await?;
    server.stop()?;

    let n_added = n_stored.saturating_sub(N_OBSERVATIONS);
    let mut figure = Figure {
        text: format!(
            "{N_OBSERVATIONS} observations sent {times} times by each of {N_CONNECTIONS} connections, {n_stored} \
             stored: {n_added} added after the first"
        ),
        ..Figure::default()
    };
    figure.expect(n_stored == N_OBSERVATIONS, "each is stored once");
    figure.expect(n_new == N_OBSERVATIONS, &format!("each was answered as new once, not {n_new} in all"));
    figure.expect(n_other == 0, &format!("none is refused, not {n_other}"));
    figure.expect(last == i64::try_from(N_OBSERVATIONS)?, "no number was given twice or for nothing");
    Ok(figure)
}
