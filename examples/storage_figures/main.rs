//! Figures of the storage that no test takes the time for. Each command drives the release binary on a
//! throwaway SQLite and PostgreSQL, prints its figure as the last line and fails when it is short.
//!
//! `scripts/` has a script for each; they say what it shows.

mod databases;
mod importing;
mod killing;
mod outage;
#[path = "../../tests/database/postgres.rs"]
mod postgres;
mod processes;
mod replaying;
mod service;
mod starting;
mod tables;
mod writing;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use tagates::background::shutdown;

use crate::databases::Kind;
use crate::processes::Tagates;

#[derive(Parser)]
struct Arguments {
    /// The binary that is measured.
    #[arg(long, env = "TAGATES", default_value = "target/release/tagates")]
    tagates: PathBuf,
    #[command(subcommand)]
    figure: Command,
}

#[derive(Subcommand)]
enum Command {
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

/// What was measured on one database, and what of it is not as promised.
#[derive(Default)]
struct Figure {
    text: String,
    shortcomings: Vec<String>,
}

impl Figure {
    /// Notes what is not as promised.
    fn expect(&mut self, is_so: bool, promise: &str) {
        if !is_so {
            self.shortcomings.push(promise.to_owned());
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Told to end, it drops all it has started.
    let told_to_end = shutdown::signal().context("could not listen for signals")?;
    tokio::select! {
        measured = measure(arguments) => measured,
        () = told_to_end => bail!("told to end"),
    }
}

/// Measures on each database and prints the figures.
async fn measure(arguments: Arguments) -> anyhow::Result<()> {
    let (tagates, command) = (Tagates::new(arguments.tagates), arguments.figure);
    let kinds: &[Kind] = match command {
        Command::RestartDatabase { .. } | Command::StartTwo { .. } => &[Kind::Postgres],
        _ => &[Kind::Sqlite, Kind::Postgres],
    };
    let (mut texts, mut shortcomings) = (Vec::new(), Vec::new());
    for &kind in kinds {
        eprintln!("on {kind} ..");
        let figure = match &command {
            Command::ImportTable { table } => importing::table(&tagates, kind, table).await,
            Command::ImportMillion { rows } => importing::synthetic(&tagates, kind, *rows).await,
            Command::ReplayBatch { times } => replaying::replay(&tagates, kind, *times).await,
            Command::ConcurrentWriters { seconds } => writing::write(&tagates, kind, *seconds).await,
            Command::KillServer { kills, seed } => killing::kill(&tagates, kind, *kills, *seed).await,
            Command::RestartDatabase { times } => outage::restart(&tagates, *times).await,
            Command::StartTwo { times } => starting::start_two(&tagates, *times).await,
        }?;
        texts.push(format!("{kind}: {}", figure.text));
        shortcomings.extend(figure.shortcomings.into_iter().map(|what| format!("{kind}: {what}")));
    }
    for shortcoming in &shortcomings {
        eprintln!("not as promised: {shortcoming}");
    }
    println!("{}", texts.join("; "));
    if !shortcomings.is_empty() {
        bail!("{} figures are short", shortcomings.len());
    }
    Ok(())
}
