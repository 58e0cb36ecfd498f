//! `tagates spaces list`

use crate::cli::output::Output;
use crate::cli::server::ServerArgs;
use crate::cli::spaces::record::Summary;
use crate::pb;

/// Of which server.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
}

/// Prints a JSON object a line, by name.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let mut request = pb::ListSearchSpacesRequest::default();
    let mut out = Output::stdout();
    loop {
        let page = connection.call(connection.search_spaces().list_search_spaces(request.clone()))?;
        for space in page.search_spaces {
            out.line(serde_json::to_string(&Summary::from(space))?)?;
        }
        if page.next_page_token.is_empty() {
            return out.flush();
        }
        request.page_token = page.next_page_token;
    }
}
