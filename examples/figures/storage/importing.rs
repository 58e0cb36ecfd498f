//! Tables imported with `tagates import`: all of it there, to the last digit, in memory that does not grow
//! with the table.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::processes::{Server, Tagates};
use crate::service::{TASK, connect, last_sequence};
use crate::tables::{COLUMNS, compare_export, n_synthetic_differences, read, write_synthetic};

/// By how much the peak may grow where it should not, in KiB: the allocator's whims.
const ALLOWANCE_KIB: u64 = 16 * 1_024;

/// What `tagates import` prints.
#[derive(Debug, Deserialize)]
struct Counts {
    rows: u64,
    new: u64,
    same: u64,
    conflicts: u64,
    invalid: u64,
    seconds: f64,
}

struct Import {
    counts: Counts,
    client_kib: u64,
}

impl Import {
    async fn run(tagates: &Tagates, server: &Server, file: &Path, flags: &[&str]) -> anyhow::Result<Self> {
        let (client_kib, said) = tagates.import(server, file, flags)?.finish().await?;
        Ok(Self { counts: serde_json::from_str(&said).context("the summary of the import")?, client_kib })
    }
}

/// All rows of a table of NAS-Bench-201, and for comparison of memory a quarter of them.
pub async fn table(tagates: &Tagates, kind: Kind, path: &Path) -> anyhow::Result<Figure> {
    let expected = read(path)?;
    let n_rows = expected.len() / COLUMNS.len();
    let columns = COLUMNS.map(|(column, _)| column).join(",");
    let run = async |first: usize| {
        let database = Database::new(kind)?;
        let server = tagates.serve(&database.flags())?;
        let flags = ["--budgets", &columns, "--first", &first.to_string()];
        let import = Import::run(tagates, &server, path, &flags).await?;
        anyhow::Ok((server, database, import))
    };
    let (server, _database, _) = run(n_rows / 4).await?;
    let quarter_kib = server.peak_memory_kib()?;
    server.stop()?;
    let (server, _database, Import { counts, .. }) = run(n_rows).await?;
    let server_kib = server.peak_memory_kib()?;
    let last = last_sequence(&connect(&server.url()).await?).await?;
    let export = tagates.command(&["export", "--task", TASK, "--server", &server.url()]).output()?;
    let stored = compare_export(&String::from_utf8(export.stdout)?, &expected)?;
    server.stop()?;

    let n_observations = expected.len() as u64;
    let mut figure = Figure {
        text: format!(
            "{} rows x {} budgets, {} stored ({} lost, {} doubled, {} with another value), {:.0} rows/s \
             ({:.0} observations/s), server's peak memory {} MiB, after a quarter of them {} MiB",
            counts.rows,
            COLUMNS.len(),
            stored.stored,
            stored.lost,
            stored.doubled,
            stored.changed,
            counts.rows as f64 / counts.seconds,
            counts.new as f64 / counts.seconds,
            server_kib / 1_024,
            quarter_kib / 1_024,
        ),
        ..Figure::default()
    };
    figure.expect(is_all_new(&counts, n_observations), &format!("every observation is new: {counts:?}"));
    figure.expect(last == i64::try_from(n_observations)?, "the last number is the number of observations");
    let n_wrong = stored.lost + stored.doubled + stored.changed;
    figure.expect(n_wrong == 0, "what is exported is what the table says");
    figure.expect(server_kib <= quarter_kib + ALLOWANCE_KIB, "memory is flat");
    Ok(figure)
}

/// Synthetic rows, and for comparison of memory a tenth of them.
pub async fn synthetic(tagates: &Tagates, kind: Kind, n_rows: usize) -> anyhow::Result<Figure> {
    let folder = tempfile::tempdir()?;
    let run = async |n_rows: usize| {
        let path = folder.path().join(format!("{n_rows}.csv"));
        write_synthetic(&path, n_rows)?;
        let database = Database::new(kind)?;
        let server = tagates.serve(&database.flags())?;
        let import = Import::run(tagates, &server, &path, &[]).await?;
        anyhow::Ok((server, database, import))
    };
    let (server, _database, few) = run(n_rows / 10).await?;
    let few_server_kib = server.peak_memory_kib()?;
    server.stop()?;
    let (server, _database, all) = run(n_rows).await?;
    let server_kib = server.peak_memory_kib()?;
    let stored = n_synthetic_differences(&connect(&server.url()).await?, n_rows).await?;
    server.stop()?;

    let counts = &all.counts;
    let mut figure = Figure {
        text: format!(
            "{} rows, {} stored ({} lost, {} doubled, {} with another value), {:.0} rows/s, peak memory of \
             server {} MiB and client {} MiB, with a tenth of them {} MiB and {} MiB",
            counts.rows,
            stored.stored,
            stored.lost,
            stored.doubled,
            stored.changed,
            counts.rows as f64 / counts.seconds,
            server_kib / 1_024,
            all.client_kib / 1_024,
            few_server_kib / 1_024,
            few.client_kib / 1_024,
        ),
        ..Figure::default()
    };
    figure.expect(is_all_new(counts, n_rows as u64), &format!("every observation is new: {counts:?}"));
    let n_wrong = stored.lost + stored.doubled + stored.changed;
    figure.expect(n_wrong == 0, "what is stored is what the table says");
    figure.expect(server_kib <= few_server_kib + ALLOWANCE_KIB, "the server's memory is constant");
    figure.expect(all.client_kib <= few.client_kib + ALLOWANCE_KIB, "the client's memory is constant");
    Ok(figure)
}

fn is_all_new(counts: &Counts, n_observations: u64) -> bool {
    counts.new == n_observations && counts.same == 0 && counts.conflicts == 0 && counts.invalid == 0
}
