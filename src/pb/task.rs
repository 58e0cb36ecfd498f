//! Tasks on the wire.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::domain::{self, Budget, Goal, Holdout, StoredTask, TaskName, TaskSettings, Unit};
use crate::pb::{self, WireError, time};
use crate::space::SearchSpace;

/// Longest name of a dataset or metric, and longest salt.
const MAX_TEXT_BYTES: usize = 128;

/// Budgets of a task at most.
const MAX_BUDGETS: usize = 64;

/// What is kept back where a client does not say.
const DEFAULT_HOLDOUT_SHARE: f64 = 0.2;

impl pb::Task {
    /// What the task is and its settings, where `space` is the search space it names; what the server sets is not
    /// looked at.
    ///
    /// # Errors
    /// Naming the field, seen from this message, that is missing or not what it should be.
    pub fn decode(self, space: Arc<SearchSpace>) -> Result<(domain::Task, TaskSettings), WireError> {
        let name = TaskName::new(&self.name).map_err(|error| WireError::new("name", error))?;
        let goal =
            pb::Goal::try_from(self.goal).map_err(|error| WireError::new("goal", error))?.try_into()?;
        let unit =
            pb::Unit::try_from(self.unit).map_err(|error| WireError::new("unit", error))?.try_into()?;
        let salt = match self.holdout_salt.as_str() {
            "" => format!("{name}/1"),
            salt => text("holdout_salt", salt)?,
        };
        let holdout = Holdout::new(salt, self.holdout_share.unwrap_or(DEFAULT_HOLDOUT_SHARE));
        let task = domain::Task {
            space,
            dataset: text("dataset", &self.dataset)?,
            metric: text("metric", &self.metric)?,
            goal,
            unit,
            valid_range: valid_range(unit, self.valid_range)?,
            budgets: budgets(&self.budgets)?,
            holdout: holdout.map_err(|error| WireError::new("holdout_share", error))?,
            name,
        };
        let policy = self.retraining_policy.unwrap_or_default().decode();
        let policy = policy.map_err(|error| error.within("retraining_policy"))?;
        let saliency_proxy = self.saliency_proxy.map(pb::SaliencyProxy::decode).transpose();
        let saliency_proxy = saliency_proxy.map_err(|error| error.within("saliency_proxy"))?;
        Ok((task, TaskSettings { policy, saliency_proxy }))
    }
}

impl pb::SaliencyProxy {
    /// The choice; whether there is such a proxy is for the server to say.
    ///
    /// # Errors
    /// Naming the field, when the name cannot be one.
    pub fn decode(self) -> Result<domain::SaliencyProxy, WireError> {
        Ok(domain::SaliencyProxy { name: text("name", &self.name)?, seed: self.seed })
    }
}

impl From<&domain::SaliencyProxy> for pb::SaliencyProxy {
    fn from(proxy: &domain::SaliencyProxy) -> Self {
        Self { name: proxy.name.clone(), seed: proxy.seed }
    }
}

/// A name in the field of that name: short, and on one line.
pub(in crate::pb) fn text(field: &str, text: &str) -> Result<String, WireError> {
    if (1..=MAX_TEXT_BYTES).contains(&text.len()) && !text.contains(char::is_control) {
        return Ok(text.to_owned());
    }
    let reason = format!("has not 1 to {MAX_TEXT_BYTES} bytes without control characters");
    Err(WireError::new(field, reason))
}

fn budgets(epochs: &[u32]) -> Result<Vec<Budget>, WireError> {
    if !(1..=MAX_BUDGETS).contains(&epochs.len()) {
        return Err(WireError::new("budgets", format!("are {}, not 1 to {MAX_BUDGETS}", epochs.len())));
    }
    // As if the budget before the first were 0.
    let before = std::iter::once(0).chain(epochs.iter().copied());
    for (index, (before, &budget)) in before.zip(epochs).enumerate() {
        if budget <= before {
            let reason = format!("{budget} does not ascend: it comes after {before}");
            return Err(WireError::new(format!("budgets[{index}]"), reason));
        }
    }
    Ok(epochs.iter().copied().map(Budget).collect())
}

fn valid_range(unit: Unit, range: Option<pb::ValueRange>) -> Result<RangeInclusive<f64>, WireError> {
    let of_unit = unit.valid_range();
    let Some(pb::ValueRange { min, max }) = range else { return Ok(of_unit) };
    for (field, bound) in [("valid_range.min", min), ("valid_range.max", max)] {
        if !of_unit.contains(&bound) {
            let (low, high) = of_unit.into_inner();
            return Err(WireError::new(
                field,
                format!("{bound} is outside {low} to {high}, which the unit has"),
            ));
        }
    }
    if max <= min {
        return Err(WireError::new("valid_range", format!("{min} to {max} leaves no room")));
    }
    Ok(min..=max)
}

impl TryFrom<pb::Goal> for Goal {
    type Error = WireError;

    fn try_from(goal: pb::Goal) -> Result<Self, WireError> {
        match goal {
            pb::Goal::Maximize => Ok(Self::Maximize),
            pb::Goal::Minimize => Ok(Self::Minimize),
            pb::Goal::Unspecified => Err(WireError::new("goal", "is not given")),
        }
    }
}

impl From<Goal> for pb::Goal {
    fn from(goal: Goal) -> Self {
        match goal {
            Goal::Maximize => Self::Maximize,
            Goal::Minimize => Self::Minimize,
        }
    }
}

impl From<&domain::Task> for pb::Task {
    /// Without what the server sets.
    fn from(task: &domain::Task) -> Self {
        let (min, max) = task.valid_range.clone().into_inner();
        Self {
            name: task.name.to_string(),
            search_space: task.space.name.clone(),
            dataset: task.dataset.clone(),
            metric: task.metric.clone(),
            goal: pb::Goal::from(task.goal).into(),
            unit: pb::Unit::from(task.unit).into(),
            valid_range: Some(pb::ValueRange { min, max }),
            budgets: task.budgets.iter().map(|budget| budget.0).collect(),
            holdout_share: Some(task.holdout.share()),
            holdout_salt: task.holdout.salt().to_owned(),
            ..Self::default()
        }
    }
}

impl From<&StoredTask> for pb::Task {
    fn from(stored: &StoredTask) -> Self {
        Self {
            retraining_policy: Some((&stored.policy).into()),
            saliency_proxy: stored.saliency_proxy.as_ref().map(Into::into),
            created_at: Some(time::encode(stored.created_at)),
            archived_at: stored.archived_at.map(time::encode),
            last_sequence: stored.last_sequence.0,
            promotion_paused_at: stored.promotion_paused_at.map(time::encode),
            ..Self::from(&stored.task)
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{GateMargins, RetrainingPolicy, Sequence, Timestamp};

    use super::*;
    use crate::space::nasbench201;

    fn stored() -> StoredTask {
        let gate = GateMargins { min_holdout: 7, max_tau_loss: 0.5 };
        StoredTask {
            task: domain::Task::nasbench201_cifar10(),
            policy: RetrainingPolicy {
                is_enabled: false,
                max_staleness_s: Some(9),
                gate,
                ..Default::default()
            },
            saliency_proxy: Some(domain::SaliencyProxy { name: "small".to_owned(), seed: u32::MAX }),
            created_at: Timestamp { unix_micros: 1 },
            archived_at: None,
            last_sequence: Sequence(3),
            promotion_paused_at: None,
        }
    }

    #[test]
    fn a_task_survives_the_wire() {
        let message = pb::Task::from(&stored());
        let (task, settings) = message.clone().decode(nasbench201()).expect("a task");
        let StoredTask { policy, saliency_proxy, .. } = stored();
        assert_eq!(settings, TaskSettings { policy, saliency_proxy });
        assert_eq!(pb::Task::from(&StoredTask { task, ..stored() }), message);
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let message = pb::Task {
            valid_range: None,
            holdout_share: None,
            holdout_salt: String::new(),
            retraining_policy: None,
            saliency_proxy: None,
            ..pb::Task::from(&stored())
        };
        let (task, settings) = message.decode(nasbench201()).expect("a task");
        assert_eq!(task.valid_range, 0.0..=100.0);
        assert_eq!((task.holdout.salt(), task.holdout.share()), ("nasbench201-cifar10/1", 0.2));
        assert_eq!(settings, TaskSettings::default());
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let refused = |change: fn(&mut pb::Task)| {
            let mut message = pb::Task::from(&stored());
            change(&mut message);
            message.decode(nasbench201()).map(|_| ()).expect_err("a wrong field").field().to_owned()
        };
        assert_eq!(refused(|task| task.name = "No".into()), "name");
        assert_eq!(refused(|task| task.dataset.clear()), "dataset");
        assert_eq!(refused(|task| task.metric = "a\nb".into()), "metric");
        assert_eq!(refused(|task| task.goal = 0), "goal");
        assert_eq!(refused(|task| task.goal = 77), "goal");
        assert_eq!(refused(|task| task.unit = -1), "unit");
        assert_eq!(refused(|task| task.budgets.clear()), "budgets");
        assert_eq!(refused(|task| task.budgets = vec![0]), "budgets[0]");
        assert_eq!(refused(|task| task.budgets = vec![1, 2, 2]), "budgets[2]");
        assert_eq!(refused(|task| task.holdout_share = Some(1.0)), "holdout_share");
        assert_eq!(refused(|task| task.holdout_share = Some(f64::NAN)), "holdout_share");
        assert_eq!(refused(|task| task.holdout_salt = "x".repeat(129)), "holdout_salt");
        let range = |min, max| Some(pb::ValueRange { min, max });
        let refused_range = |min, max| {
            let message = pb::Task { valid_range: range(min, max), ..pb::Task::from(&stored()) };
            message.decode(nasbench201()).map(|_| ()).expect_err("a wrong range").field().to_owned()
        };
        assert_eq!(refused_range(-1.0, 5.0), "valid_range.min");
        assert_eq!(refused_range(0.0, f64::NAN), "valid_range.max");
        assert_eq!(refused_range(5.0, 5.0), "valid_range");
        assert_eq!(
            refused(|task| task.saliency_proxy = Some(pb::SaliencyProxy::default())),
            "saliency_proxy.name"
        );
        assert_eq!(
            refused(|task| {
                let gate = Some(pb::GateMargins { max_tau_loss: Some(2.0), min_holdout: None });
                task.retraining_policy = Some(pb::RetrainingPolicy { gate, ..Default::default() });
            }),
            "retraining_policy.gate.max_tau_loss"
        );
    }
}
