//! `tagates retractions undo`

use anyhow::Context;
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::output::Output;
use crate::cli::retractions::Record;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which retraction.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task it is of.
    #[arg(long)]
    task: String,
    /// Its number.
    #[arg(value_name = "NUMBER")]
    sequence: i64,
}

/// What became of what the retraction had taken back, as it is printed.
#[derive(Debug, Serialize)]
struct Undone {
    retraction: Record,
    new: u64,
    same: u64,
    conflicts: u64,
}

/// Undoes a retraction and prints what became of what it had taken back. Conflicts are reported, and no
/// complete success.
///
/// # Errors
/// When the server cannot be asked, or knows no such retraction.
pub(super) fn run(args: Args) -> anyhow::Result<Outcome> {
    let connection = args.server.connect()?;
    let request = pb::UndoRetractionRequest { task: args.task, sequence: args.sequence };
    let reply = connection.call(connection.observations().undo_retraction(request))?;
    for conflict in &reply.conflicts {
        eprintln!("{}", conflict.message);
    }
    let undone = Undone {
        retraction: reply.retraction.context("server answered without a retraction")?.into(),
        new: reply.n_new,
        same: reply.n_same,
        conflicts: reply.n_conflicts,
    };
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&undone)?)?;
    out.flush()?;
    Ok(if undone.conflicts == 0 { Outcome::Complete } else { Outcome::Partial })
}
