//! Figures that no test takes the time for. Each command drives the release binary on throwaway databases,
//! prints its figure as the last line and fails when it is short.
//!
//! `scripts/` has a script for each; they say what it shows.

mod databases;
mod learning;
#[path = "../../tests/database/postgres.rs"]
mod postgres;
mod processes;
mod service;
mod storage;
mod tables;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use tagates::background::shutdown;

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
    #[command(flatten)]
    Storage(storage::Command),
    #[command(flatten)]
    Learning(learning::Command),
}

/// What was measured, and what of it is not as promised.
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
    let Arguments { tagates, figure } = Arguments::parse();
    let tagates = Tagates::new(tagates);
    // Told to end, it drops all it has started.
    let told_to_end = shutdown::signal().context("could not listen for signals")?;
    let measure = async {
        match figure {
            Command::Storage(figure) => storage::measure(&tagates, figure).await,
            Command::Learning(figure) => learning::measure(&tagates, figure).await,
        }
    };
    let figure = tokio::select! {
        measured = measure => measured?,
        () = told_to_end => bail!("told to end"),
    };
    for shortcoming in &figure.shortcomings {
        eprintln!("not as promised: {shortcoming}");
    }
    println!("{}", figure.text);
    match figure.shortcomings.len() {
        0 => Ok(()),
        n_short => bail!("{n_short} figures are short"),
    }
}
