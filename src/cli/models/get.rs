//! `tagates models get`

use crate::cli::models::print;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which version.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task it is of.
    #[arg(long)]
    task: String,
    /// Its name; the champion where it is not given.
    version: Option<String>,
}

/// Prints the version as a JSON object.
///
/// # Errors
/// When the server cannot be asked, or knows no such version.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let version = args.version.unwrap_or_default();
    let request = pb::GetModelVersionRequest { task: args.task, version };
    print(connection.call(connection.models().get_model_version(request))?.version)
}
