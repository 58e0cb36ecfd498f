//! The command line: one file for each subcommand.

mod canonicalize;
mod checkpoints;
mod definition;
mod describe;
mod evaluate;
mod export;
mod filter;
mod import;
mod interrupt;
mod lines;
mod migrate;
mod models;
mod observe;
mod output;
mod predict;
mod reproduce;
mod retract;
mod retractions;
mod rows;
mod runs;
mod sample;
mod serve;
mod server;
mod spaces;
mod tasks;
mod train;
mod whole_file;
mod work;
mod zero_cost;

use std::num::NonZero;
use std::thread;

use candle_core::Device;
use clap::{Parser, Subcommand};

use crate::app::{self, telemetry};
use crate::cli::output::OutputClosed;
use crate::domain::{Task, TaskName};
use crate::model::Checkpoint;
use crate::store;

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
    /// Run a grid of experiments, as a table of the paper, and print it.
    Reproduce(reproduce::Args),
    /// Print a canonical id for each architecture: the same for those that compute the same thing.
    Canonicalize(canonicalize::Args),
    /// Print what an architecture is: its canonical id, its graph, and where they are known its parameters and FLOPs.
    Describe(describe::Args),
    /// Print random architectures of a search space, one a line.
    Sample(sample::Args),
    /// Keep the search spaces of a server, yours beside the built-in ones.
    #[command(subcommand)]
    Spaces(spaces::Command),
    /// Keep the tasks of a server: what is predicted, and when it is retrained.
    #[command(subcommand)]
    Tasks(tasks::Command),
    /// Tell a server what was measured of an architecture.
    Observe(observe::Args),
    /// Send a table of architectures and what was measured of them to a server.
    Import(import::Args),
    /// Print what a server was told, one JSON object a line.
    Export(export::Args),
    /// Take observations back, in a way that can be undone.
    Retract(retract::Args),
    /// Print or undo what took observations back.
    #[command(subcommand)]
    Retractions(retractions::Command),
    /// Start, follow and cancel the training runs of a server.
    #[command(subcommand)]
    Runs(runs::Command),
    /// Keep the versions of a task's model, and which of them answers.
    #[command(subcommand)]
    Models(models::Command),
    /// Measure zero-cost saliencies of architectures: what their networks show before any training.
    ZeroCost(zero_cost::Args),
    /// Exchange checkpoints with the published implementation.
    #[command(subcommand)]
    Checkpoints(checkpoints::Command),
    /// Train what is due on a database, without serving.
    Work(work::Args),
    /// Bring the schema of the database up to date, without serving.
    Migrate(store::Config),
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
            Self::Reproduce(args) => reproduce::run(args).map(|()| Outcome::Complete),
            Self::Canonicalize(args) => canonicalize::run(&args).map(|()| Outcome::Complete),
            Self::Describe(args) => describe::run(&args).map(|()| Outcome::Complete),
            Self::Sample(args) => sample::run(args).map(|()| Outcome::Complete),
            Self::Spaces(command) => command.run().map(|()| Outcome::Complete),
            Self::Tasks(command) => command.run().map(|()| Outcome::Complete),
            Self::Observe(args) => observe::run(args),
            Self::Import(args) => import::run(&args),
            Self::Export(args) => export::run(args).map(|()| Outcome::Complete),
            Self::Retract(args) => retract::run(args).map(|()| Outcome::Complete),
            Self::Retractions(command) => command.run(),
            Self::Runs(command) => command.run(),
            Self::Models(command) => command.run().map(|()| Outcome::Complete),
            Self::ZeroCost(args) => zero_cost::run(&args),
            Self::Checkpoints(command) => command.run().map(|()| Outcome::Complete),
            Self::Work(args) => work::run(&args).map(|()| Outcome::Complete),
            Self::Migrate(config) => migrate::run(&config).map(|()| Outcome::Complete),
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

/// Jobs, as trainings, that a device does side by side if nobody says otherwise: as many as there are cores, but one on a
/// GPU, which they would only keep from each other.
fn jobs_on(device: &Device) -> NonZero<usize> {
    if device.is_cpu() { available_threads() } else { NonZero::<usize>::MIN }
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_and_flag_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_update_names_what_changes() {
        let parse =
            |flags: &[&str]| Cli::try_parse_from(["tagates", "tasks", "update", "t"].iter().chain(flags));
        parse(&["--retraining", "false"]).expect("one change");
        parse(&["--max-staleness-s", "never", "--min-holdout", "3"]).expect("two changes");
        parse(&["--saliency-proxy", "small", "--saliency-seed", "3"]).expect("one change");
        parse(&["--saliency-seed", "3"]).expect_err("a seed of nothing");
        parse(&[]).expect_err("no change");
    }
}
