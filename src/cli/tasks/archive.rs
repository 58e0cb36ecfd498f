//! `tagates tasks archive`

use crate::cli::server::ServerArgs;
use crate::cli::tasks::print;
use crate::pb;

/// Which task.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Its name.
    name: String,
}

/// Closes the task and prints it.
///
/// # Errors
/// When the server cannot be asked, or knows no such task.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::ArchiveTaskRequest { name: args.name };
    print(connection.call(connection.tasks().archive_task(request))?.task)
}
