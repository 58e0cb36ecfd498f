//! `tagates models list`

use crate::cli::models::record::Record;
use crate::cli::output::Output;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which versions.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task they are of.
    #[arg(long)]
    task: String,
}

/// Prints a JSON object a line, the newest version first.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let mut request = pb::ListModelVersionsRequest { task: args.task, ..Default::default() };
    let mut out = Output::stdout();
    loop {
        let page = connection.call(connection.models().list_model_versions(request.clone()))?;
        for version in page.versions {
            out.line(serde_json::to_string(&Record::from(version))?)?;
        }
        if page.next_page_token.is_empty() {
            return out.flush();
        }
        request.page_token = page.next_page_token;
    }
}
