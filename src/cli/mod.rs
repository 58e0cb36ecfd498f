//! The command line: one file for each subcommand.

mod canonicalize;
mod evaluate;
mod lines;
mod output;
mod predict;
mod rows;
mod serve;
mod train;

use std::num::NonZero;
use std::thread;

use clap::{Parser, Subcommand};

use crate::app::{self, telemetry};
use crate::cli::output::OutputClosed;
use crate::domain::{Task, TaskName};
use crate::model::Checkpoint;

/// Predicts how well a neural architecture would do, without training it.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much is logged.
    #[command(flatten)]
    pub telemetry: telemetry::Config,
}

/// What the binary can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer gRPC calls until SIGTERM or Ctrl-C.
    Serve(app::Config),
    /// Score architectures, on a server or right here.
    Predict(predict::Args),
    /// Train a predictor on a table of architectures and what was measured of them.
    Train(train::Args),
    /// Judge a predictor by a table of architectures and what was measured of them.
    Evaluate(evaluate::Args),
    /// Print a canonical id for each architecture: the same for those that compute the same thing.
    Canonicalize(canonicalize::Args),
}

impl Command {
    /// Does it, and says whether all of it succeeded.
    ///
    /// # Errors
    /// As the subcommand says. That nobody reads the output any more is no error.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let outcome = match self {
            Self::Serve(config) => serve::run(config).map(|()| Outcome::Complete),
            Self::Predict(args) => predict::run(&args),
            Self::Train(args) => train::run(args).map(|()| Outcome::Complete),
            Self::Evaluate(args) => evaluate::run(&args).map(|()| Outcome::Complete),
            Self::Canonicalize(args) => canonicalize::run(&args).map(|()| Outcome::Complete),
        };
        match outcome {
            Err(error) if error.is::<OutputClosed>() => Ok(Outcome::Complete),
            outcome => outcome,
        }
    }
}

/// Threads that can compute side by side here.
fn available_threads() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// The task a checkpoint was trained for, where it names a known one.
fn task_of(checkpoint: &Checkpoint) -> Option<Task> {
    Task::builtin(&TaskName::new(checkpoint.header().task.as_deref()?).ok()?)
}

/// How far a command came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for.
    Complete,
    /// Some items failed; each has been reported.
    Partial,
}
