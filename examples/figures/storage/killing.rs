//! A server that is killed again and again while a table is imported, the client going on by itself.

use std::time::Duration;

use anyhow::{Context, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::time;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::processes::{Running, Server, Tagates};
use crate::service::{connect, last_sequence};
use crate::tables::{n_synthetic_differences, write_synthetic};

/// Rows: enough that the import does not end before the last kill.
const N_ROWS: usize = 1_000_000;
/// The longest time from the first row that is stored since the last kill to the next one.
const MAX_DELAY_MICROS: u64 = 300_000;

/// Kills the server at `n_kills` random moments while it stores rows.
pub async fn kill(tagates: &Tagates, kind: Kind, n_kills: usize, seed: u64) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("synthetic.csv");
    write_synthetic(&table, N_ROWS)?;
    let database = Database::new(kind)?;
    let mut server = tagates.serve(&database.flags())?;
    let mut importing = tagates.import(&server, &table, &[])?;

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut n_stored = Vec::new();
    for _ in 0..n_kills {
        until_it_stores(&server, &mut importing).await?;
        time::sleep(Duration::from_micros(rng.random_range(0..MAX_DELAY_MICROS))).await;
        ensure!(importing.goes_on()?, "the import ended after {} of {n_kills} kills", n_stored.len());
        server = server.kill_and_start_again()?;
        n_stored.push(last_sequence(&connect(&server.url()).await?).await?);
    }
    let (_, said) = importing.finish().await?;
    let counts: Value = serde_json::from_str(&said).context("the summary of the import")?;
    let count = |name: &str| counts[name].as_u64().context("a count");
    let (acknowledged, again) = (count("new")? + count("same")?, count("same")?);
    let stored = n_synthetic_differences(&connect(&server.url()).await?, N_ROWS).await?;
    server.stop()?;

    let mut figure = Figure {
        text: format!(
            "{n_kills} kills while rows {} to {} of {N_ROWS} were stored, {acknowledged} observations acknowledged \
             ({again} of them sent twice): {} lost, {} doubled, {} changed",
            n_stored.first().copied().unwrap_or(0),
            n_stored.last().copied().unwrap_or(0),
            stored.lost,
            stored.doubled,
            stored.changed,
        ),
        ..Figure::default()
    };
    figure.expect(acknowledged == N_ROWS as u64, "every observation is acknowledged");
    figure.expect(stored.lost == 0, "nothing that was acknowledged is lost");
    figure.expect(stored.doubled == 0 && stored.changed == 0, "nothing is stored twice or otherwise");
    Ok(figure)
}

/// Waits until rows arrive.
async fn until_it_stores(server: &Server, importing: &mut Running) -> anyhow::Result<()> {
    let channel = connect(&server.url()).await?;
    let before = last_sequence(&channel).await?;
    while last_sequence(&channel).await? == before {
        ensure!(importing.goes_on()?, "the import ended too early");
        time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
