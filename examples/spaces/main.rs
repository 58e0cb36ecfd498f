//! Checks of search spaces against whole tables of published architectures, which no test has at hand.
//!
//! `scripts/` has a script for each; they say what it shows.

mod canonical_ids;
mod costs;
mod drawing;
mod tables;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    check: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Ids of NAS-Bench-101 against its hashes, and under relabelling.
    CanonicalIds {
        /// Tables with fields `module_adjacency`, `module_operations` and `hash`, a row a line.
        #[arg(required = true)]
        tables: Vec<PathBuf>,
        /// Draws the relabellings.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Parameters and FLOPs against those of tables.
    Costs {
        /// Tables with an architecture and its `params` (and `flops`) or `params_m`, a row a line.
        #[arg(required = true)]
        tables: Vec<PathBuf>,
    },
    /// Images of a random architecture of each built-in space.
    Draw {
        /// Folder they are written to.
        folder: PathBuf,
        /// Draws the architectures.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

fn main() -> anyhow::Result<ExitCode> {
    let holds = match Arguments::parse().check {
        Command::CanonicalIds { tables, seed } => canonical_ids::check(&tables, seed)?,
        Command::Costs { tables } => costs::check(&tables)?,
        Command::Draw { folder, seed } => drawing::draw(&folder, seed)?,
    };
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
