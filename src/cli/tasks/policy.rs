//! When a task is retrained: flags shared by `create` and `update`.

use crate::pb;

/// When it is retrained, and what a new model must show.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(id = "policy", multiple = true)]
#[command(next_help_heading = "Retraining")]
pub struct PolicyArgs {
    /// Whether it is retrained without being asked.
    #[arg(long, value_name = "true|false")]
    retraining: Option<bool>,
    /// Observations there must be before the first run.
    #[arg(long, value_name = "N")]
    min_observations: Option<u32>,
    /// New observations since the last run.
    #[arg(long, value_name = "N")]
    min_new_observations: Option<u32>,
    /// New observations since the last run, as a share of those it saw.
    #[arg(long, value_name = "SHARE")]
    min_new_share: Option<f64>,
    /// Seconds between two runs, at least.
    #[arg(long, value_name = "S")]
    cool_down_s: Option<u32>,
    /// Seconds after which a run is due if there is anything new at all, or never.
    #[arg(long, value_name = "S|never", value_parser = staleness)]
    max_staleness_s: Option<Staleness>,
    /// Whether a run starts from the champion's weights, where they fit, and not from new ones. It ranks better, but
    /// what retracted observations taught it stays.
    #[arg(long, value_name = "true|false")]
    warm_start: Option<bool>,
    /// Labelled architectures the holdout must have.
    #[arg(long, value_name = "N")]
    min_holdout: Option<u32>,
    /// Kendall's tau that a new model may lose, by the lower bound of the difference.
    #[arg(long, value_name = "TAU")]
    max_tau_loss: Option<f64>,
}

/// After how long a run is due in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Staleness {
    Never,
    Seconds(u32),
}

fn staleness(text: &str) -> Result<Staleness, String> {
    match text {
        "never" => Ok(Staleness::Never),
        seconds => {
            seconds.parse().map(Staleness::Seconds).map_err(|_| "is neither seconds nor never".to_owned())
        }
    }
}

impl PolicyArgs {
    /// The paths, from the task, of the fields that are given.
    pub fn paths(&self) -> Vec<String> {
        let fields = [
            ("is_enabled", self.retraining.is_some()),
            ("min_observations", self.min_observations.is_some()),
            ("min_new_observations", self.min_new_observations.is_some()),
            ("min_new_share", self.min_new_share.is_some()),
            ("cool_down_s", self.cool_down_s.is_some()),
            ("max_staleness_s", self.max_staleness_s.is_some()),
            ("starts_warm", self.warm_start.is_some()),
            ("gate.min_holdout", self.min_holdout.is_some()),
            ("gate.max_tau_loss", self.max_tau_loss.is_some()),
        ];
        let given = fields.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(name, _)| format!("retraining_policy.{name}")).collect()
    }
}

impl From<PolicyArgs> for pb::RetrainingPolicy {
    fn from(args: PolicyArgs) -> Self {
        Self {
            is_enabled: args.retraining,
            min_observations: args.min_observations,
            min_new_observations: args.min_new_observations,
            min_new_share: args.min_new_share,
            cool_down_s: args.cool_down_s,
            max_staleness_s: match args.max_staleness_s {
                Some(Staleness::Seconds(seconds)) => Some(seconds),
                Some(Staleness::Never) | None => None,
            },
            starts_warm: args.warm_start,
            gate: Some(pb::GateMargins { min_holdout: args.min_holdout, max_tau_loss: args.max_tau_loss }),
        }
    }
}
