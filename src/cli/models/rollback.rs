//! `tagates models rollback`

use anyhow::Context;

use crate::cli::models::{Signature, print_change};
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which champion.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task it is of.
    #[arg(long)]
    task: String,
    #[command(flatten)]
    signature: Signature,
    /// The champion that is taken back: nothing happens where there is another one.
    version: String,
}

/// Takes the champion back and prints the change.
///
/// # Errors
/// When the server cannot be asked or refuses, as where another champion is there, or there was none before.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::RollbackModelVersionRequest {
        task: args.task,
        expected_champion: args.version,
        who: args.signature.who,
        why: args.signature.why,
    };
    let reply = connection.call(connection.models().rollback_model_version(request))?;
    print_change(reply.promotion.context("server answered without a promotion")?)
}
