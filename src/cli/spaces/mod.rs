//! `tagates spaces`

mod create;
mod get;
mod list;
mod record;

use anyhow::Context;
use clap::Subcommand;

use crate::cli::output::Output;
use crate::pb;

use self::record::Record;

/// What to do with search spaces.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print what search spaces there are.
    List(list::Args),
    /// Print one search space, as `create` takes it.
    Get(get::Args),
    /// Create a search space from a file; it never changes afterwards.
    Create(create::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses, or the file defines no search space.
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => list::run(&args),
            Self::Get(args) => get::run(args),
            Self::Create(args) => create::run(args),
        }
    }
}

/// Prints the search space of a reply.
fn print(space: Option<pb::SearchSpace>) -> anyhow::Result<()> {
    let space = space.context("server answered without a search space")?;
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&Record::try_from(space)?)?)?;
    out.flush()
}
