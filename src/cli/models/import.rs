//! `tagates models import`

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use futures_util::stream;

use crate::cli::models::print;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which checkpoint.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task it is to be a version of.
    #[arg(long)]
    task: String,
    /// Checkpoint.
    file: PathBuf,
}

/// Sends the checkpoint and prints the version it is. It is not promoted.
///
/// # Errors
/// When the file cannot be read, or the server cannot be asked or refuses it.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let checkpoint =
        fs::read(&args.file).with_context(|| format!("could not read {}", args.file.display()))?;
    let connection = args.server.connect()?;
    let parts = pb::ImportCheckpointRequest::parts(args.task, checkpoint);
    let reply = connection.call(connection.models().import_checkpoint(stream::iter(parts)))?;
    if !reply.is_new {
        eprintln!("the task has it already");
    }
    print(reply.version)
}
