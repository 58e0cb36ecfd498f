//! `tagates tasks list`

use crate::cli::output::Output;
use crate::cli::server::ServerArgs;
use crate::cli::tasks::record::Record;
use crate::pb;

/// Which tasks.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Print archived tasks too.
    #[arg(long)]
    with_archived: bool,
}

/// Prints a JSON object a line, by name.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let mut request = pb::ListTasksRequest { with_archived: args.with_archived, ..Default::default() };
    let mut out = Output::stdout();
    loop {
        let page = connection.call(connection.tasks().list_tasks(request.clone()))?;
        for task in page.tasks {
            out.line(serde_json::to_string(&Record::from(task))?)?;
        }
        if page.next_page_token.is_empty() {
            return out.flush();
        }
        request.page_token = page.next_page_token;
    }
}
