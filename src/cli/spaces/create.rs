//! `tagates spaces create`

use std::path::PathBuf;

use crate::cli::definition;
use crate::cli::server::ServerArgs;
use crate::cli::spaces::print;
use crate::pb;

/// What the search space is.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Definition: .toml, or .json as `tagates spaces get` prints it.
    file: PathBuf,
    /// Name of this request, at most 128 bytes; without, the same command may be run again all the same.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    request_id: String,
}

/// Creates the search space and prints it. The same one again changes nothing.
///
/// # Errors
/// When the file defines no search space, or the server cannot be asked or refuses.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let space = definition::read(&args.file)?;
    let connection = args.server.connect()?;
    let request = pb::CreateSearchSpaceRequest {
        search_space: Some(space.definition().into()),
        request_id: args.request_id,
    };
    let reply = connection.call(connection.search_spaces().create_search_space(request))?;
    if !reply.is_new {
        eprintln!("the server has it already");
    }
    print(reply.search_space)
}
