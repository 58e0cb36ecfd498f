//! When a task is retrained, and what a new model must show to be promoted.

use serde::{Deserialize, Serialize};

/// The retraining policy of a task, which can be changed. Kept as JSON; what a newer
/// binary added is passed over, so that an older one still starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetrainingPolicy {
    /// Whether it is retrained at all without being asked.
    pub is_enabled: bool,
    /// Observations there must be before the first run.
    pub min_observations: u32,
    /// New observations since the last run.
    pub min_new_observations: u32,
    /// New observations since the last run, as a share of those it saw.
    pub min_new_share: f64,
    /// Time between two runs, at least, in seconds.
    pub cool_down_s: u32,
    /// A run is due after so many seconds if there is anything new at all; never where `None`.
    pub max_staleness_s: Option<u32>,
    /// Whether a run starts from the champion's weights, where they fit, and not from new ones. What retracted
    /// observations taught them then stays. It ranks better: `docs/results.md`, "Warm start".
    pub starts_warm: bool,
    /// What a challenger must show.
    pub gate: GateMargins,
}

/// What a challenger must show on the holdout to become champion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GateMargins {
    /// Labelled architectures the holdout must have.
    pub min_holdout: u32,
    /// The lower bound of the difference in Kendall's tau, by paired bootstrap, must be above minus this.
    pub max_tau_loss: f64,
}

impl Default for RetrainingPolicy {
    fn default() -> Self {
        Self {
            is_enabled: true,
            min_observations: 50,
            min_new_observations: 20,
            min_new_share: 0.1,
            cool_down_s: 60,
            max_staleness_s: None,
            starts_warm: true,
            gate: GateMargins::default(),
        }
    }
}

impl Default for GateMargins {
    fn default() -> Self {
        Self { min_holdout: 10, max_tau_loss: 0.02 }
    }
}

/// A policy nothing could follow.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}, not a number from 0 to 1")]
pub struct PolicyError {
    /// The field, as `gate.max_tau_loss`.
    pub field: &'static str,
    /// What stands in it.
    pub value: f64,
}

impl RetrainingPolicy {
    /// The policy, if it can be followed.
    ///
    /// # Errors
    /// When a share or margin is not from 0 to 1.
    pub fn checked(self) -> Result<Self, PolicyError> {
        for (field, value) in
            [("min_new_share", self.min_new_share), ("gate.max_tau_loss", self.gate.max_tau_loss)]
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(PolicyError { field, value });
            }
        }
        Ok(self)
    }
}
