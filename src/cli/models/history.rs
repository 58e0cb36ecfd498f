//! `tagates models history`

use crate::cli::models::record::Change;
use crate::cli::output::Output;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Of which task.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task whose champion it is.
    #[arg(long)]
    task: String,
}

/// Prints a JSON object a line, the newest change first.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let mut request = pb::ListPromotionsRequest { task: args.task, ..Default::default() };
    let mut out = Output::stdout();
    loop {
        let page = connection.call(connection.models().list_promotions(request.clone()))?;
        for promotion in page.promotions {
            out.line(serde_json::to_string(&Change::from(promotion))?)?;
        }
        if page.next_page_token.is_empty() {
            return out.flush();
        }
        request.page_token = page.next_page_token;
    }
}
