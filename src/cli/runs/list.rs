//! `tagates runs list`

use crate::cli::output::Output;
use crate::cli::runs::record::Record;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task they are of; those of all tasks where it is not given.
    #[arg(long)]
    task: Option<String>,
}

/// Prints a JSON object a line, the newest run first.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let mut request =
        pb::ListTrainingRunsRequest { task: args.task.unwrap_or_default(), ..Default::default() };
    let mut out = Output::stdout();
    loop {
        let page = connection.call(connection.trainings().list_training_runs(request.clone()))?;
        for run in page.runs {
            out.line(serde_json::to_string(&Record::from(run))?)?;
        }
        if page.next_page_token.is_empty() {
            return out.flush();
        }
        request.page_token = page.next_page_token;
    }
}
