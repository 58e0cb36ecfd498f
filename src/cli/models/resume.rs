//! `tagates models resume`

use crate::cli::server::ServerArgs;
use crate::cli::tasks;
use crate::pb;

/// Of which task.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task whose runs may promote again.
    #[arg(long)]
    task: String,
}

/// Lets runs promote again and prints the task.
///
/// # Errors
/// When the server cannot be asked, or knows no such task.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::ResumePromotionRequest { task: args.task };
    tasks::print(connection.call(connection.models().resume_promotion(request))?.task)
}
