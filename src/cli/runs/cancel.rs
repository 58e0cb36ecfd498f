//! `tagates runs cancel`

use crate::cli::runs::print;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Its number.
    #[arg(value_name = "NUMBER")]
    run: i64,
}

/// Cancels the run, or asks whoever works on it to stop, and prints it.
///
/// # Errors
/// When the server cannot be asked, or knows no such run.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::CancelTrainingRunRequest { run: args.run };
    print(connection.call(connection.trainings().cancel_training_run(request))?.run)
}
