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

/// `mi_option_purge_delay` of mimalloc.h, which the crate has no name for.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// How long freed memory is kept: longer than a step of a training, which frees and takes the same again.
const PURGE_DELAY_MS: std::ffi::c_long = 1_000;

fn main() -> ExitCode {
    keep_freed_memory();
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

/// Without, a training spends more time in the kernel, which hands out zeroed pages, than in products.
fn keep_freed_memory() {
    #[expect(unsafe_code, reason = "sound: sets a number of the allocator")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
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
