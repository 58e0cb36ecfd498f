//! Figures of the storage, each measured on SQLite and PostgreSQL where both have something to show.

mod importing;
mod killing;
mod outage;
mod replaying;
mod starting;
mod writing;

use std::path::PathBuf;

use clap::Subcommand;

use crate::Figure;
use crate::databases::Kind;
use crate::processes::Tagates;

#[derive(Subcommand)]
pub enum Command {
    /// A table of NAS-Bench-201 imported.
    ImportTable {
        /// CSV with columns `arch`, `c10_test_12`, `c10_test_200`.
        table: PathBuf,
    },
    /// Synthetic rows imported.
    ImportMillion {
        #[arg(long, default_value_t = 1_000_000)]
        rows: usize,
    },
    /// One batch sent again and again.
    ReplayBatch {
        /// By each of 8 connections.
        #[arg(long, default_value_t = 100)]
        times: usize,
    },
    /// 20 writers of one task, and a reader of snapshots.
    ConcurrentWriters {
        #[arg(default_value_t = 60)]
        seconds: u64,
    },
    /// A server killed while a table is imported.
    KillServer {
        #[arg(long, default_value_t = 50)]
        kills: usize,
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// A PostgreSQL stopped and started again under load.
    RestartDatabase {
        #[arg(long, default_value_t = 10)]
        times: usize,
    },
    /// Two servers started at once on an empty PostgreSQL.
    StartTwo {
        #[arg(long, default_value_t = 20)]
        times: usize,
    },
}

/// Measures on each database.
pub async fn measure(tagates: &Tagates, command: Command) -> anyhow::Result<Figure> {
    let kinds: &[Kind] = match command {
        Command::RestartDatabase { .. } | Command::StartTwo { .. } => &[Kind::Postgres],
        _ => &[Kind::Sqlite, Kind::Postgres],
    };
    let (mut texts, mut shortcomings) = (Vec::new(), Vec::new());
    for &kind in kinds {
        eprintln!("on {kind} ..");
        let figure = match &command {
            Command::ImportTable { table } => importing::table(tagates, kind, table).await,
            Command::ImportMillion { rows } => importing::synthetic(tagates, kind, *rows).await,
            Command::ReplayBatch { times } => replaying::replay(tagates, kind, *times).await,
            Command::ConcurrentWriters { seconds } => writing::write(tagates, kind, *seconds).await,
            Command::KillServer { kills, seed } => killing::kill(tagates, kind, *kills, *seed).await,
            Command::RestartDatabase { times } => outage::restart(tagates, *times).await,
            Command::StartTwo { times } => starting::start_two(tagates, *times).await,
        }?;
        texts.push(format!("{kind}: {}", figure.text));
        shortcomings.extend(figure.shortcomings.into_iter().map(|what| format!("{kind}: {what}")));
    }
    Ok(Figure { text: texts.join("; "), shortcomings })
}
