//! `tagates runs`

mod cancel;
mod get;
mod list;
mod record;
mod start;
mod watch;

use anyhow::Context;
use clap::Subcommand;

use crate::cli::Outcome;
use crate::cli::output::Output;
use crate::pb;

use self::record::Record;

/// What to do with training runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the runs, the newest first.
    List(list::Args),
    /// Print one run.
    Get(get::Args),
    /// Queue a run of a task, whether or not one is due.
    Start(start::Args),
    /// Show how far a run is until it is over, then print it.
    Watch(watch::Args),
    /// Call a run off.
    Cancel(cancel::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses.
    pub(in crate::cli) fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::List(args) => list::run(args).map(|()| Outcome::Complete),
            Self::Get(args) => get::run(&args).map(|()| Outcome::Complete),
            Self::Start(args) => start::run(args).map(|()| Outcome::Complete),
            Self::Watch(args) => watch::run(&args),
            Self::Cancel(args) => cancel::run(&args).map(|()| Outcome::Complete),
        }
    }
}

/// Prints the run of a reply.
fn print(run: Option<pb::TrainingRun>) -> anyhow::Result<()> {
    let run = run.context("server answered without a run")?;
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&Record::from(run))?)?;
    out.flush()
}
