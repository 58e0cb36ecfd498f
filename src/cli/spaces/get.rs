//! `tagates spaces get`

use crate::cli::server::ServerArgs;
use crate::cli::spaces::print;
use crate::pb;

/// Which search space.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Its name.
    name: String,
}

/// Prints the search space as a JSON object.
///
/// # Errors
/// When the server cannot be asked, or knows no such search space.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::GetSearchSpaceRequest { name: args.name };
    print(connection.call(connection.search_spaces().get_search_space(request))?.search_space)
}
