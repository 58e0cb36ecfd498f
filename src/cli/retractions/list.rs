//! `tagates retractions list`

use crate::cli::output::Output;
use crate::cli::retractions::Record;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which retractions.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task they are of.
    #[arg(long)]
    task: String,
}

/// Prints a JSON object a line, in the order in which the retractions were made.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let mut request = pb::ListRetractionsRequest { task: args.task, ..Default::default() };
    let mut out = Output::stdout();
    loop {
        let page = connection.call(connection.observations().list_retractions(request.clone()))?;
        for retraction in page.retractions {
            out.line(serde_json::to_string(&Record::from(retraction))?)?;
        }
        if page.next_page_token.is_empty() {
            return out.flush();
        }
        request.page_token = page.next_page_token;
    }
}
