//! Retraining policies on the wire, and changes to them.

use prost_types::FieldMask;

use crate::domain::{GateMargins, RetrainingPolicy};
use crate::pb::{self, WireError};

/// Where the policy stands in a task.
const POLICY: &str = "retraining_policy";

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
    fn given(&self) -> Vec<String> {
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

/// A change of some fields of a policy, as [`pb::UpdateTaskRequest`] says it.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyChange {
    fields: Vec<Field>,
    values: RetrainingPolicy,
}

/// What of a policy changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    All,
    IsEnabled,
    MinObservations,
    MinNewObservations,
    MinNewShare,
    CoolDown,
    MaxStaleness,
    StartsWarm,
    Gate,
    GateMinHoldout,
    GateMaxTauLoss,
}

impl PolicyChange {
    /// Reads the change that `mask` makes of a task's `policy`.
    ///
    /// # Errors
    /// Naming the field from the request, when the mask names what is no field, or an immutable one, or a
    /// value is none a policy can have.
    pub fn decode(policy: Option<pb::RetrainingPolicy>, mask: Option<FieldMask>) -> Result<Self, WireError> {
        let policy = policy.unwrap_or_default();
        let paths = match mask {
            Some(mask) if !mask.paths.is_empty() => mask.paths,
            _ => policy.given(),
        };
        let fields = (paths.iter().enumerate())
            .map(|(index, path)| {
                Field::at(path)
                    .map_err(|reason| WireError::new(format!("update_mask.paths[{index}]"), reason))
            })
            .collect::<Result<_, _>>()?;
        let values = policy.decode().map_err(|error| error.within(POLICY).within("task"))?;
        Ok(Self { fields, values })
    }

    /// The policy after the change.
    #[must_use]
    pub fn apply(&self, mut policy: RetrainingPolicy) -> RetrainingPolicy {
        for field in &self.fields {
            let values = &self.values;
            match field {
                Field::All => policy.clone_from(values),
                Field::IsEnabled => policy.is_enabled = values.is_enabled,
                Field::MinObservations => policy.min_observations = values.min_observations,
                Field::MinNewObservations => policy.min_new_observations = values.min_new_observations,
                Field::MinNewShare => policy.min_new_share = values.min_new_share,
                Field::CoolDown => policy.cool_down_s = values.cool_down_s,
                Field::MaxStaleness => policy.max_staleness_s = values.max_staleness_s,
                Field::StartsWarm => policy.starts_warm = values.starts_warm,
                Field::Gate => policy.gate.clone_from(&values.gate),
                Field::GateMinHoldout => policy.gate.min_holdout = values.gate.min_holdout,
                Field::GateMaxTauLoss => policy.gate.max_tau_loss = values.gate.max_tau_loss,
            }
        }
        policy
    }
}

impl Field {
    fn at(path: &str) -> Result<Self, String> {
        let head = path.split('.').next().unwrap_or(path);
        let field = match path.strip_prefix(POLICY) {
            Some("") => Some(Self::All),
            Some(".is_enabled") => Some(Self::IsEnabled),
            Some(".min_observations") => Some(Self::MinObservations),
            Some(".min_new_observations") => Some(Self::MinNewObservations),
            Some(".min_new_share") => Some(Self::MinNewShare),
            Some(".cool_down_s") => Some(Self::CoolDown),
            Some(".max_staleness_s") => Some(Self::MaxStaleness),
            Some(".starts_warm") => Some(Self::StartsWarm),
            Some(".gate") => Some(Self::Gate),
            Some(".gate.min_holdout") => Some(Self::GateMinHoldout),
            Some(".gate.max_tau_loss") => Some(Self::GateMaxTauLoss),
            _ => None,
        };
        field.ok_or_else(|| match head {
            "name"
            | "search_space"
            | "dataset"
            | "metric"
            | "goal"
            | "unit"
            | "valid_range"
            | "budgets"
            | "holdout_share"
            | "holdout_salt"
            | "created_at"
            | "archived_at"
            | "last_sequence"
            | "promotion_paused_at" => {
                format!("\"{head}\" cannot be changed, only {POLICY}")
            }
            _ => format!("\"{path:.80}\" is no field of a task"),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(paths: &[&str]) -> FieldMask {
        FieldMask { paths: paths.iter().map(|&path| path.to_owned()).collect() }
    }

    fn other() -> RetrainingPolicy {
        RetrainingPolicy {
            is_enabled: false,
            min_observations: 1,
            min_new_observations: 2,
            min_new_share: 0.3,
            cool_down_s: 4,
            max_staleness_s: Some(5),
            starts_warm: false,
            gate: GateMargins { min_holdout: 6, max_tau_loss: 0.7 },
        }
    }

    fn changed(policy: pb::RetrainingPolicy, mask: Option<FieldMask>) -> RetrainingPolicy {
        PolicyChange::decode(Some(policy), mask).expect("a change").apply(other())
    }

    #[test]
    fn every_field_can_be_changed_alone() {
        let new = RetrainingPolicy { max_staleness_s: Some(99), ..RetrainingPolicy::default() };
        let message = pb::RetrainingPolicy::from(&new);
        let one_by_one = message.given().iter().fold(other(), |policy, path| {
            let after = PolicyChange::decode(Some(message), Some(mask(&[path])))
                .expect("a field")
                .apply(policy.clone());
            assert_ne!(after, policy, "{path}");
            after
        });
        assert_eq!(one_by_one, new);
        assert_eq!(changed(message, Some(mask(&["retraining_policy"]))), new);
        assert_eq!(changed(message, None), new);
    }

    #[test]
    fn a_field_that_is_named_but_not_given_gets_its_default_and_others_stay() {
        let paths = ["retraining_policy.max_staleness_s", "retraining_policy.gate"];
        let expected = RetrainingPolicy { max_staleness_s: None, gate: GateMargins::default(), ..other() };
        assert_eq!(changed(pb::RetrainingPolicy::default(), Some(mask(&paths))), expected);
    }

    #[test]
    fn without_a_mask_only_what_is_given_changes() {
        let message = pb::RetrainingPolicy { cool_down_s: Some(0), ..Default::default() };
        assert_eq!(changed(message, None), RetrainingPolicy { cool_down_s: 0, ..other() });
        assert_eq!(changed(message, Some(mask(&[]))), RetrainingPolicy { cool_down_s: 0, ..other() });
        assert_eq!(changed(pb::RetrainingPolicy::default(), None), other());
    }

    #[test]
    fn a_path_that_cannot_be_changed_is_named() {
        for (path, reason) in [
            ("budgets", "cannot be changed"),
            ("valid_range.min", "cannot be changed"),
            ("retraining_policy.speed", "no field"),
            ("retraining_policy_", "no field"),
            ("*", "no field"),
            ("", "no field"),
        ] {
            let error =
                PolicyChange::decode(None, Some(mask(&["retraining_policy", path]))).expect_err("no field");
            assert_eq!(error.field(), "update_mask.paths[1]");
            assert!(error.reason().contains(reason), "{path:?}: {error}");
        }
        let message = pb::RetrainingPolicy { min_new_share: Some(f64::NAN), ..Default::default() };
        let error = PolicyChange::decode(Some(message), None).expect_err("no share");
        assert_eq!(error.field(), "task.retraining_policy.min_new_share");
    }
}
