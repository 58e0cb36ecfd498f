//! `tagates tasks create`

use crate::cli::rows::{GoalArg, UnitArg};
use crate::cli::server::ServerArgs;
use crate::cli::tasks::policy::PolicyArgs;
use crate::cli::tasks::print;
use crate::cli::tasks::saliency::SaliencyArgs;
use crate::domain::{Goal, Unit};
use crate::pb;

/// What the task is.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Its name: 1 to 63 of a-z, 0-9, '-', '_', '.', a letter or digit first.
    #[arg(long)]
    name: String,
    /// Search space of the architectures: a built-in one, or one that `tagates spaces create` made.
    #[arg(long)]
    space: String,
    /// What the networks are trained on, as cifar10.
    #[arg(long)]
    dataset: String,
    /// What is measured, as `test_accuracy`.
    #[arg(long)]
    metric: String,
    /// Which way is better.
    #[arg(long, value_enum)]
    goal: GoalArg,
    /// Unit of the metric.
    #[arg(long, value_enum)]
    unit: UnitArg,
    /// How long networks are trained, in epochs, ascending.
    #[arg(long, value_name = "EPOCHS", value_delimiter = ',', required = true)]
    budgets: Vec<u32>,
    /// Smallest value the metric can have, where the unit allows smaller ones.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    min_value: Option<f64>,
    /// Largest value the metric can have, where the unit allows larger ones.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    max_value: Option<f64>,
    /// Share of the architectures that no model is trained on.
    #[arg(long, value_name = "SHARE")]
    holdout_share: Option<f64>,
    /// Chooses those architectures.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    holdout_salt: String,
    /// Name of this request, so that the same command may be run again.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    request_id: String,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    saliencies: SaliencyArgs,
}

/// Creates the task and prints it.
///
/// # Errors
/// When the server cannot be asked or refuses.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let request_id = args.request_id.clone();
    let request = pb::CreateTaskRequest { task: Some(args.into()), request_id };
    print(connection.call(connection.tasks().create_task(request))?.task)
}

impl From<Args> for pb::Task {
    fn from(args: Args) -> Self {
        let unit = Unit::from(args.unit);
        let (min, max) = unit.valid_range().into_inner();
        Self {
            name: args.name,
            search_space: args.space,
            dataset: args.dataset,
            metric: args.metric,
            goal: pb::Goal::from(Goal::from(args.goal)).into(),
            unit: pb::Unit::from(unit).into(),
            valid_range: Some(pb::ValueRange {
                min: args.min_value.unwrap_or(min),
                max: args.max_value.unwrap_or(max),
            }),
            budgets: args.budgets,
            holdout_share: args.holdout_share,
            holdout_salt: args.holdout_salt,
            retraining_policy: Some(args.policy.into()),
            saliency_proxy: args.saliencies.proxy(None),
            ..Self::default()
        }
    }
}
