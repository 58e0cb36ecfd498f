//! The `tagates` binary: parse, observe, run.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use tagates::app::telemetry;
use tagates::cli::{Cli, Outcome};

/// Scoring allocates many short-lived tensors, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match telemetry::init(&cli.telemetry).and_then(|()| cli.command.run()) {
        Ok(Outcome::Complete) => ExitCode::SUCCESS,
        Ok(Outcome::Partial) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
