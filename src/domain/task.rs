//! What is predicted.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{Holdout, RetrainingPolicy, SaliencyProxy, Sequence, Timestamp};
use crate::space::SearchSpace;

/// The name of a task: 1 to 63 of `a-z`, `0-9`, `-`, `_` and `.`, a letter or digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName(Arc<str>);

/// A text that cannot name a task.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no task name: 1 to 63 of a-z, 0-9, '-', '_', '.', a letter or digit first")]
pub struct TaskNameError(String);

impl TaskName {
    /// The task this binary is shipped with a model for.
    pub const NASBENCH201_CIFAR10: &'static str = "nasbench201-cifar10";

    /// A task name from its text.
    ///
    /// # Errors
    /// When the text has other characters or length than a name may have.
    pub fn new(text: &str) -> Result<Self, TaskNameError> {
        let first_is_plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        let rest_is_plain =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if first_is_plain && rest_is_plain && text.len() <= 63 {
            Ok(Self(text.into()))
        } else {
            Err(TaskNameError(text.chars().take(80).collect()))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether larger or smaller values of the metric are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Goal {
    /// As for an accuracy.
    #[default]
    Maximize,
    /// As for an error.
    Minimize,
}

impl Goal {
    /// The value on a scale where larger is better; the same again leads back.
    #[must_use]
    pub fn merit(self, value: f64) -> f64 {
        match self {
            Self::Maximize => value,
            Self::Minimize => -value,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Maximize => "maximize",
            Self::Minimize => "minimize",
        })
    }
}

/// The unit of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// 0 to 100.
    Percent,
    /// 0 to 1.
    Fraction,
    /// Any finite number.
    None,
}

impl Unit {
    /// The values a metric of this unit can have.
    #[must_use]
    pub fn valid_range(self) -> RangeInclusive<f64> {
        match self {
            Self::Percent => 0.0..=100.0,
            Self::Fraction => 0.0..=1.0,
            Self::None => f64::MIN..=f64::MAX,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Percent => "percent",
            Self::Fraction => "fraction",
            Self::None => "none",
        })
    }
}

/// How long a network was trained, in epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Budget(pub u32);

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is predicted: a metric of the architectures of a space on a dataset. Immutable.
#[derive(Clone, Debug)]
pub struct Task {
    /// The key.
    pub name: TaskName,
    /// Where the architectures come from.
    pub space: Arc<SearchSpace>,
    /// What the networks are trained on, as `cifar10`.
    pub dataset: String,
    /// What is measured, as `test_accuracy`.
    pub metric: String,
    /// Which way is better.
    pub goal: Goal,
    /// Unit of the metric.
    pub unit: Unit,
    /// The values the metric can have, within those of the unit.
    pub valid_range: RangeInclusive<f64>,
    /// Ascending, one or more.
    pub budgets: Vec<Budget>,
    /// Which architectures no model of this task is trained on.
    pub holdout: Holdout,
}

/// What users may change about a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskSettings {
    /// When it is retrained.
    pub policy: RetrainingPolicy,
    /// How saliencies are measured that its models take and clients do not send; not at all where `None`.
    pub saliency_proxy: Option<SaliencyProxy>,
}

impl From<&RetrainingPolicy> for TaskSettings {
    /// Without saliencies.
    fn from(policy: &RetrainingPolicy) -> Self {
        Self { policy: policy.clone(), saliency_proxy: None }
    }
}

/// A task that is stored, with what may change about it.
#[derive(Clone, Debug)]
pub struct StoredTask {
    /// What never changes.
    pub task: Task,
    /// When it is retrained.
    pub policy: RetrainingPolicy,
    /// How saliencies are measured that its models take and clients do not send; not at all where `None`.
    pub saliency_proxy: Option<SaliencyProxy>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Since when it takes no observations and is not retrained.
    pub archived_at: Option<Timestamp>,
    /// The number of the last observation or retraction accepted, 0 before the first.
    pub last_sequence: Sequence,
    /// Since when no version is promoted but by hand: a champion was rolled back.
    pub promotion_paused_at: Option<Timestamp>,
}
