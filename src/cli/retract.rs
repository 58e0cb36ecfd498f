//! `tagates retract`

use anyhow::Context;

use crate::cli::filter::FilterArgs;
use crate::cli::output::Output;
use crate::cli::retractions::Record;
use crate::cli::server::ServerArgs;
use crate::pb;

/// Which observations, and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task they are of.
    #[arg(long)]
    task: String,
    #[command(flatten)]
    filter: FilterArgs,
    /// Why, for those who read it later.
    #[arg(long)]
    reason: String,
}

/// Takes back every observation that meets all conditions, and prints the retraction.
///
/// # Errors
/// When the server cannot be asked or refuses: it does where no condition is given.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request = pb::RetractObservationsRequest {
        task: args.task,
        filter: Some(args.filter.into()),
        reason: args.reason,
    };
    let reply = connection.call(connection.observations().retract_observations(request))?;
    let retraction = reply.retraction.context("server answered without a retraction")?;
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&Record::from(retraction))?)?;
    out.flush()
}
