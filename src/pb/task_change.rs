//! Changes of a task's settings on the wire.

use prost_types::FieldMask;

use crate::domain::{SaliencyProxy, TaskSettings};
use crate::pb::policy::POLICY;
use crate::pb::{self, WireError};

/// Where the saliency proxy stands in a task.
const SALIENCY_PROXY: &str = "saliency_proxy";

/// A change of some settings of a task, as [`pb::UpdateTaskRequest`] says it.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskChange {
    fields: Vec<Field>,
    values: TaskSettings,
}

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Policy,
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
    SaliencyProxy,
}

impl TaskChange {
    /// Reads the change that `mask` makes of the settings in `task`.
    ///
    /// # Errors
    /// Naming the field from the request, when the mask names what is no field, or an immutable one, or a
    /// value is none a task can have.
    pub fn decode(task: pb::Task, mask: Option<FieldMask>) -> Result<Self, WireError> {
        let policy = task.retraining_policy.unwrap_or_default();
        let paths = match mask {
            Some(mask) if !mask.paths.is_empty() => mask.paths,
            _ => {
                let proxy = task.saliency_proxy.as_ref().map(|_| SALIENCY_PROXY.to_owned());
                policy.given().into_iter().chain(proxy).collect()
            }
        };
        let fields = (paths.iter().enumerate())
            .map(|(index, path)| {
                Field::at(path)
                    .map_err(|reason| WireError::new(format!("update_mask.paths[{index}]"), reason))
            })
            .collect::<Result<_, _>>()?;
        let policy = policy.decode().map_err(|error| error.within(POLICY).within("task"))?;
        let saliency_proxy = task.saliency_proxy.map(pb::SaliencyProxy::decode).transpose();
        let saliency_proxy = saliency_proxy.map_err(|error| error.within(SALIENCY_PROXY).within("task"))?;
        Ok(Self { fields, values: TaskSettings { policy, saliency_proxy } })
    }

    /// The saliency proxy that the task is to have, where the change gives it one.
    #[must_use]
    pub fn saliency_proxy(&self) -> Option<&SaliencyProxy> {
        self.values.saliency_proxy.as_ref().filter(|_| self.fields.contains(&Field::SaliencyProxy))
    }

    /// The settings after the change.
    #[must_use]
    pub fn apply(&self, mut settings: TaskSettings) -> TaskSettings {
        let (policy, values) = (&mut settings.policy, &self.values.policy);
        for field in &self.fields {
            match field {
                Field::Policy => policy.clone_from(values),
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
                Field::SaliencyProxy => settings.saliency_proxy.clone_from(&self.values.saliency_proxy),
            }
        }
        settings
    }
}

impl Field {
    fn at(path: &str) -> Result<Self, String> {
        let head = path.split('.').next().unwrap_or(path);
        let field = match path.strip_prefix(POLICY) {
            Some("") => Some(Self::Policy),
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
            None if path == SALIENCY_PROXY => Some(Self::SaliencyProxy),
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
                format!("\"{head}\" cannot be changed, only {POLICY} and {SALIENCY_PROXY}")
            }
            SALIENCY_PROXY => format!("{SALIENCY_PROXY} is changed as a whole, not its fields"),
            _ => format!("\"{path:.80}\" is no field of a task"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{GateMargins, RetrainingPolicy};

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

    fn proxy(name: &str) -> SaliencyProxy {
        SaliencyProxy { name: name.to_owned(), seed: 3 }
    }

    /// A message with this policy and nothing else.
    fn task(policy: pb::RetrainingPolicy) -> pb::Task {
        pb::Task { retraining_policy: Some(policy), ..pb::Task::default() }
    }

    /// What becomes of other settings.
    fn all_changed(task: pb::Task, mask: Option<FieldMask>) -> TaskSettings {
        let before = TaskSettings { policy: other(), saliency_proxy: Some(proxy("other")) };
        TaskChange::decode(task, mask).expect("a change").apply(before)
    }

    fn changed(policy: pb::RetrainingPolicy, mask: Option<FieldMask>) -> RetrainingPolicy {
        let TaskSettings { policy, saliency_proxy } = all_changed(task(policy), mask);
        assert_eq!(saliency_proxy, Some(proxy("other")));
        policy
    }

    #[test]
    fn a_proxy_is_set_and_taken_away_and_the_policy_stays() {
        let named = |name: &str| pb::Task {
            saliency_proxy: Some(pb::SaliencyProxy { name: name.to_owned(), seed: 3 }),
            ..pb::Task::default()
        };
        for mask in [Some(mask(&["saliency_proxy"])), None] {
            let expected = TaskSettings { policy: other(), saliency_proxy: Some(proxy("small")) };
            assert_eq!(all_changed(named("small"), mask), expected);
        }
        let taken_away = all_changed(pb::Task::default(), Some(mask(&["saliency_proxy"])));
        assert_eq!(taken_away, TaskSettings { policy: other(), saliency_proxy: None });

        let change = |mask| TaskChange::decode(named("small"), mask).expect("a change");
        assert_eq!(change(None).saliency_proxy(), Some(&proxy("small")));
        assert_eq!(change(Some(mask(&["retraining_policy"]))).saliency_proxy(), None);
        let error = TaskChange::decode(named("a\nb"), None).expect_err("no name");
        assert_eq!(error.field(), "task.saliency_proxy.name");
    }

    #[test]
    fn every_field_can_be_changed_alone() {
        let new = RetrainingPolicy { max_staleness_s: Some(99), ..RetrainingPolicy::default() };
        let message = pb::RetrainingPolicy::from(&new);
        let one_by_one = message.given().iter().fold(other(), |policy, path| {
            let before = TaskSettings { policy: policy.clone(), saliency_proxy: None };
            let change = TaskChange::decode(task(message), Some(mask(&[path]))).expect("a field");
            let after = change.apply(before).policy;
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
            ("saliency_proxy.seed", "as a whole"),
            ("saliency_proxy_", "no field"),
            ("retraining_policy_", "no field"),
            ("*", "no field"),
            ("", "no field"),
        ] {
            let mask = Some(mask(&["retraining_policy", path]));
            let error = TaskChange::decode(pb::Task::default(), mask).expect_err("no field");
            assert_eq!(error.field(), "update_mask.paths[1]");
            assert!(error.reason().contains(reason), "{path:?}: {error}");
        }
        let message = pb::RetrainingPolicy { min_new_share: Some(f64::NAN), ..Default::default() };
        let error = TaskChange::decode(task(message), None).expect_err("no share");
        assert_eq!(error.field(), "task.retraining_policy.min_new_share");
    }
}
