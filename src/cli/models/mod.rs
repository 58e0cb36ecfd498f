//! `tagates models`

mod export;
mod get;
mod history;
mod import;
mod list;
mod promote;
mod record;
mod resume;
mod rollback;

use anyhow::Context;
use clap::Subcommand;

use crate::cli::output::Output;
use crate::pb;

use self::record::{Change, Record};

/// What to do with model versions.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the versions of a task, the newest first.
    List(list::Args),
    /// Print one version, or the champion.
    Get(get::Args),
    /// Make a version champion.
    Promote(promote::Args),
    /// Take a champion back: the one before is champion again, and runs promote nothing until `resume`.
    Rollback(rollback::Args),
    /// Let runs promote versions again after a rollback.
    Resume(resume::Args),
    /// Print how the champion of a task changed, the newest change first.
    History(history::Args),
    /// Send a checkpoint, to be a version of a task.
    Import(import::Args),
    /// Write the checkpoint of a version, or of the champion, to a file.
    Export(export::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// When the server cannot be asked or refuses, or a file cannot be read or written.
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => list::run(args),
            Self::Get(args) => get::run(args),
            Self::Promote(args) => promote::run(args),
            Self::Rollback(args) => rollback::run(args),
            Self::Resume(args) => resume::run(args),
            Self::History(args) => history::run(args),
            Self::Import(args) => import::run(args),
            Self::Export(args) => export::run(args),
        }
    }
}

/// Who changes a champion, and why.
#[derive(Debug, clap::Args)]
struct Signature {
    /// Who wants it.
    #[arg(long, value_name = "NAME", env = "USER")]
    who: String,
    /// Why, for those who read it later.
    #[arg(long, value_name = "TEXT")]
    why: String,
}

/// Prints the version of a reply.
fn print(version: Option<pb::ModelVersion>) -> anyhow::Result<()> {
    let version = version.context("server answered without a version")?;
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&Record::from(version))?)?;
    out.flush()
}

/// Prints a change of the champion.
fn print_change(promotion: pb::Promotion) -> anyhow::Result<()> {
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&Change::from(promotion))?)?;
    out.flush()
}
