//! Retraining policies on the wire.

use crate::domain::{GateMargins, RetrainingPolicy};
use crate::pb::{self, WireError};

/// Where the policy stands in a task.
pub(in crate::pb) const POLICY: &str = "retraining_policy";

impl pb::RetrainingPolicy {
    /// The policy; what is not given has its default.
    ///
    /// # Errors
    /// Naming the field, when it is a share or margin that is not from 0 to 1.
    pub fn decode(self) -> Result<RetrainingPolicy, WireError> {
        let default = RetrainingPolicy::default();
        let gate = self.gate.unwrap_or_default();
        let policy = RetrainingPolicy {
            is_enabled: self.is_enabled.unwrap_or(default.is_enabled),
            min_observations: self.min_observations.unwrap_or(default.min_observations),
            min_new_observations: self.min_new_observations.unwrap_or(default.min_new_observations),
            min_new_share: self.min_new_share.unwrap_or(default.min_new_share),
            cool_down_s: self.cool_down_s.unwrap_or(default.cool_down_s),
            max_staleness_s: self.max_staleness_s.or(default.max_staleness_s),
            starts_warm: self.starts_warm.unwrap_or(default.starts_warm),
            gate: GateMargins {
                min_holdout: gate.min_holdout.unwrap_or(default.gate.min_holdout),
                max_tau_loss: gate.max_tau_loss.unwrap_or(default.gate.max_tau_loss),
            },
        };
        policy.checked().map_err(|error| {
            WireError::new(error.field, format!("{} is not a number from 0 to 1", error.value))
        })
    }

    /// The paths, from the task, of the fields that are given.
    pub(in crate::pb) fn given(&self) -> Vec<String> {
        let gate = self.gate.unwrap_or_default();
        let fields = [
            ("is_enabled", self.is_enabled.is_some()),
            ("min_observations", self.min_observations.is_some()),
            ("min_new_observations", self.min_new_observations.is_some()),
            ("min_new_share", self.min_new_share.is_some()),
            ("cool_down_s", self.cool_down_s.is_some()),
            ("max_staleness_s", self.max_staleness_s.is_some()),
            ("starts_warm", self.starts_warm.is_some()),
            ("gate.min_holdout", gate.min_holdout.is_some()),
            ("gate.max_tau_loss", gate.max_tau_loss.is_some()),
        ];
        fields.into_iter().filter(|(_, given)| *given).map(|(name, _)| format!("{POLICY}.{name}")).collect()
    }
}

impl From<&RetrainingPolicy> for pb::RetrainingPolicy {
    fn from(policy: &RetrainingPolicy) -> Self {
        Self {
            is_enabled: Some(policy.is_enabled),
            min_observations: Some(policy.min_observations),
            min_new_observations: Some(policy.min_new_observations),
            min_new_share: Some(policy.min_new_share),
            cool_down_s: Some(policy.cool_down_s),
            max_staleness_s: policy.max_staleness_s,
            starts_warm: Some(policy.starts_warm),
            gate: Some(pb::GateMargins {
                min_holdout: Some(policy.gate.min_holdout),
                max_tau_loss: Some(policy.gate.max_tau_loss),
            }),
        }
    }
}
