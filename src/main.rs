//! The `tagates` binary: parse, observe, run.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use tagates::app::telemetry;
use tagates::cli::{Cli, Outcome};
use tagates::model::SINGLE_THREADED;

/// Scoring allocates many short-lived tensors, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    compute_on_the_calling_thread();
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

/// Sets what candle and its libraries read before they compute for the first time, unless it is set.
fn compute_on_the_calling_thread() {
    for (name, value) in SINGLE_THREADED {
        if std::env::var_os(name).is_none() {
            #[expect(
                unsafe_code,
                reason = "sound: no other thread exists yet that could read the environment"
            )]
            unsafe {
                std::env::set_var(name, value);
            }
        }
    }
}
