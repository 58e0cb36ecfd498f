//! `tagates models promote`

use crate::cli::models::{Signature, print_change};
use crate::cli::server::ServerArgs;
use crate::pb;

/// No champion, on the command line.
const NONE: &str = "none";

/// Which version, in place of which.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task it is of.
    #[arg(long)]
    task: String,
    /// Champion it replaces, or "none": nothing happens where there is another one.
    #[arg(long, value_name = "VERSION")]
    expected_champion: String,
    #[command(flatten)]
    signature: Signature,
    /// The version to be champion.
    version: String,
}

/// Makes the version champion and prints the change; nothing where it was champion already.
///
/// # Errors
/// When the server cannot be asked or refuses, as where another champion is there than the one expected.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let expected = if args.expected_champion == NONE { String::new() } else { args.expected_champion };
    let request = pb::PromoteModelVersionRequest {
        task: args.task,
        version: args.version,
        expected_champion: Some(expected),
        who: args.signature.who,
        why: args.signature.why,
    };
    match connection.call(connection.models().promote_model_version(request))?.promotion {
        Some(promotion) => print_change(promotion),
        None => {
            eprintln!("it is champion already");
            Ok(())
        }
    }
}
