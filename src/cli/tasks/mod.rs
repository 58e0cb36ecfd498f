//! `tagates tasks`

mod archive;
mod create;
mod get;
mod list;
mod policy;
mod record;
mod saliency;
mod update;

use anyhow::Context;
use clap::Subcommand;

use crate::cli::output::Output;
use crate::pb;

use self::record::Record;

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the tasks.
    List(list::Args),
    /// Print one task.
    Get(get::Args),
    /// Create a task.
    Create(Box<create::Args>),
    /// Change when a task is retrained, or how its saliencies are measured.
    Update(update::Args),
    /// Close a task: it takes no observations any more.
    Archive(archive::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses.
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => list::run(&args),
            Self::Get(args) => get::run(args),
            Self::Create(args) => create::run(*args),
            Self::Update(args) => update::run(args),
            Self::Archive(args) => archive::run(args),
        }
    }
}

/// Prints the task of a reply.
pub(in crate::cli) fn print(task: Option<pb::Task>) -> anyhow::Result<()> {
    let task = task.context("server answered without a task")?;
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&Record::from(task))?)?;
    out.flush()
}
