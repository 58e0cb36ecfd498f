//! `tagates runs start`

use crate::cli::runs::print;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Of which task.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task whose model is trained.
    #[arg(long)]
    task: String,
    /// Names this request, so that sending it again queues no other run.
    #[arg(long, value_name = "ID", default_value = "")]
    request_id: String,
}

/// Queues a run and prints it.
///
/// # Errors
/// When the server cannot be asked or refuses, as where the task has an unfinished run.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::StartTrainingRunRequest { task: args.task, request_id: args.request_id };
    print(connection.call(connection.trainings().start_training_run(request))?.run)
}
