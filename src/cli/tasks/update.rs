//! `tagates tasks update`

use prost_types::FieldMask;

use crate::cli::server::ServerArgs;
use crate::cli::tasks::policy::PolicyArgs;
use crate::cli::tasks::print;
use crate::cli::tasks::saliency::SaliencyArgs;
use crate::pb;

/// Which task, and what changes.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args([
    "retraining",
    "min_observations",
    "min_new_observations",
    "min_new_share",
    "cool_down_s",
    "max_staleness_s",
    "warm_start",
    "min_holdout",
    "max_tau_loss",
    "saliency_proxy",
]))]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Its name.
    name: String,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    saliencies: SaliencyArgs,
}

/// Changes what is given, leaves the rest, and prints the task.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let before = match args.saliencies.path() {
        Some(_) => {
            let request = pb::GetTaskRequest { name: args.name.clone() };
            connection.call(connection.tasks().get_task(request))?.task
        }
        None => None,
    };
    let before = before.and_then(|task| task.saliency_proxy);
    let paths = args.policy.paths().into_iter().chain(args.saliencies.path()).collect();
    let task = pb::Task {
        name: args.name,
        retraining_policy: Some(args.policy.into()),
        saliency_proxy: args.saliencies.proxy(before.as_ref()),
        ..pb::Task::default()
    };
    let update_mask = Some(FieldMask { paths });
    let request = pb::UpdateTaskRequest { task: Some(task), update_mask };
    print(connection.call(connection.tasks().update_task(request))?.task)
}
