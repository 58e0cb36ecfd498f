//! `tagates tasks get`

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

/// Prints the task as a JSON object.
///
/// # Errors
/// When the server cannot be asked, or knows no such task.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::GetTaskRequest { name: args.name };
    print(connection.call(connection.tasks().get_task(request))?.task)
}
