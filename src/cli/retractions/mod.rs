//! `tagates retractions`

mod list;
mod undo;

use clap::Subcommand;
use serde::Serialize;

use crate::cli::Outcome;
use crate::pb;

/// What to do with retractions.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the retractions of a task.
    List(list::Args),
    /// Record again what a retraction took back.
    Undo(undo::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses.
    pub(in crate::cli) fn run(self) -> anyhow::Result<Outcome> {
        match self {
            Self::List(args) => list::run(args).map(|()| Outcome::Complete),
            Self::Undo(args) => undo::run(args),
        }
    }
}

/// A retraction as it is printed.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Record {
    sequence: i64,
    task: String,
    reason: String,
    n_observations: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    retracted_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_at: Option<String>,
}

impl From<pb::Retraction> for Record {
    fn from(retraction: pb::Retraction) -> Self {
        Self {
            sequence: retraction.sequence,
            task: retraction.task,
            reason: retraction.reason,
            n_observations: retraction.n_observations,
            retracted_at: retraction.retracted_at.map(|moment| moment.to_string()),
            undone_at: retraction.undone_at.map(|moment| moment.to_string()),
        }
    }
}
