//! What was measured of an architecture.

use std::fmt;
use std::sync::Arc;

use crate::domain::{Budget, Task, TaskName, Timestamp, Unit};
use crate::space::{Architecture, CanonicalId};

/// Who measured: up to 128 bytes of text, empty where nobody says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Arc<str>);

impl Source {
    /// Longest name of a source.
    pub const MAX_BYTES: usize = 128;

    /// The source of that name.
    ///
    /// # Errors
    /// When the name is too long or holds control characters.
    pub fn new(name: &str) -> Result<Self, ObservationError> {
        if name.len() > Self::MAX_BYTES || name.contains(char::is_control) {
            return Err(ObservationError::Source { max_bytes: Self::MAX_BYTES });
        }
        Ok(Self(name.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What came of training an architecture: a value or a reason, never both.
#[derive(Clone, Debug, PartialEq)]
pub enum Measurement {
    /// The metric, in the unit of the task.
    Value(f64),
    /// Why it could not be measured, as "out of memory". Not empty.
    Infeasible(String),
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "value {value}"),
            Self::Infeasible(reason) => write!(f, "infeasible ({reason:.80})"),
        }
    }
}

/// Over how many trainings a value is a mean, and how far they spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    /// Trainings, at least 1.
    pub n: u32,
    /// Of their values, in the unit of the task; not negative.
    pub standard_deviation: Option<f64>,
}

/// What no two live observations share. The architecture counts as written: isomorphic ones are
/// measured separately.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservationKey {
    /// What was measured.
    pub task: TaskName,
    /// Of which network, of the space of the task.
    pub architecture: Architecture,
    /// After how many epochs: one of the task's.
    pub budget: Budget,
    /// The seed of the training, 0 where nobody says.
    pub seed: i64,
    /// Who measured.
    pub source: Source,
}

/// A measurement of an architecture, valid for its task.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    key: ObservationKey,
    measurement: Measurement,
    repeats: Option<Repeats>,
}

/// Why an observation is none of the task.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ObservationError {
    /// The architecture is of another space.
    #[error("task {task} is about space {expected}, not {found}")]
    OtherSpace {
        /// The task.
        task: TaskName,
        /// Its space.
        expected: String,
        /// The space of the architecture.
        found: String,
    },
    /// The task has no such budget.
    #[error("task {task} has no budget of {budget} epochs, only {}", list(.known))]
    Budget {
        /// The task.
        task: TaskName,
        /// What was given.
        budget: Budget,
        /// What the task has.
        known: Vec<Budget>,
    },
    /// A value that the metric cannot have.
    #[error("{value} is outside {min} to {max}, which task {task} allows{hint}")]
    OutOfRange {
        /// The task.
        task: TaskName,
        /// What was given.
        value: f64,
        /// Smallest valid value.
        min: f64,
        /// Largest valid value.
        max: f64,
        /// What may have gone wrong.
        hint: &'static str,
    },
    /// A reason that says nothing, or too much.
    #[error("a reason has 1 to {max_bytes} bytes, none of them NUL")]
    Reason {
        /// Longest reason.
        max_bytes: usize,
    },
    /// A name no source has.
    #[error("a source has at most {max_bytes} bytes and no control characters")]
    Source {
        /// Longest name.
        max_bytes: usize,
    },
    /// Repeats that are none.
    #[error("a mean is over 1 training or more")]
    Repeats,
    /// A spread that is none.
    #[error("a standard deviation is finite and not negative")]
    StandardDeviation,
}

impl Observation {
    /// Longest reason of an infeasible architecture.
    pub const MAX_REASON_BYTES: usize = 1_024;

    /// An observation of `task`, checked against it.
    ///
    /// # Errors
    /// When architecture, budget or value are none the task allows, or repeats or reason none that can be.
    pub fn new(
        task: &Task,
        key: ObservationKey,
        measurement: Measurement,
        repeats: Option<Repeats>,
    ) -> Result<Self, ObservationError> {
        let found = &key.architecture.space().name;
        if *found != task.space.name {
            let (task, expected, found) = (task.name.clone(), task.space.name.clone(), found.clone());
            return Err(ObservationError::OtherSpace { task, expected, found });
        }
        if !task.budgets.contains(&key.budget) {
            let (task, known) = (task.name.clone(), task.budgets.clone());
            return Err(ObservationError::Budget { task, budget: key.budget, known });
        }
        match &measurement {
            Measurement::Value(value) => check_range(task, *value)?,
            Measurement::Infeasible(reason) => {
                if reason.is_empty() || reason.len() > Self::MAX_REASON_BYTES || reason.contains('\0') {
                    return Err(ObservationError::Reason { max_bytes: Self::MAX_REASON_BYTES });
                }
            }
        }
        if let Some(repeats) = repeats {
            if repeats.n == 0 {
                return Err(ObservationError::Repeats);
            }
            if repeats.standard_deviation.is_some_and(|spread| !(spread.is_finite() && spread >= 0.0)) {
                return Err(ObservationError::StandardDeviation);
            }
        }
        Ok(Self { key, measurement, repeats })
    }

    /// What no other live observation shares.
    #[must_use]
    pub fn key(&self) -> &ObservationKey {
        &self.key
    }

    /// What came of the training.
    #[must_use]
    pub fn measurement(&self) -> &Measurement {
        &self.measurement
    }

    /// Over how many trainings, where somebody says.
    #[must_use]
    pub fn repeats(&self) -> Option<Repeats> {
        self.repeats
    }
}

/// NaN is in no range.
fn check_range(task: &Task, value: f64) -> Result<(), ObservationError> {
    if task.valid_range.contains(&value) {
        return Ok(());
    }
    let hint = match task.unit {
        Unit::Percent if Unit::Fraction.valid_range().contains(&value) => {
            "; is this a fraction, not a percent?"
        }
        Unit::Fraction if Unit::Percent.valid_range().contains(&value) => {
            "; is this a percent, not a fraction?"
        }
        _ => "",
    };
    let (min, max) = task.valid_range.clone().into_inner();
    Err(ObservationError::OutOfRange { task: task.name.clone(), value, min, max, hint })
}

fn list(budgets: &[Budget]) -> String {
    budgets.iter().map(Budget::to_string).collect::<Vec<_>>().join(", ")
}

/// The number of an observation or retraction in its task: 1, 2, 3, .. in the order in which they were
/// accepted. "Up to n" is the same set of observations whenever it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sequence(pub i64);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An observation that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredObservation {
    /// Its number in the task: with the task's name, its identity.
    pub sequence: Sequence,
    /// What was observed.
    pub observation: Observation,
    /// The class of its architecture.
    pub class: CanonicalId,
    /// When it was accepted.
    pub recorded_at: Timestamp,
    /// The retraction that took it back.
    pub retracted_by: Option<Sequence>,
}

/// What became of an observation that was sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Recorded {
    /// It is stored.
    New(Sequence),
    /// The same measurement was stored before: nothing changed.
    Same(Sequence),
    /// Another measurement of the same key is stored and stays.
    Conflict {
        /// The stored one.
        sequence: Sequence,
        /// What it says.
        stored: Measurement,
    },
}

/// Which observations of a task: those that meet every condition given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObservationFilter {
    /// These numbers; all where empty.
    pub sequences: Vec<Sequence>,
    /// Of this source.
    pub source: Option<Source>,
    /// Accepted at this moment or later.
    pub recorded_from: Option<Timestamp>,
    /// Accepted before this moment.
    pub recorded_before: Option<Timestamp>,
}

/// A tombstone over observations of one task. It can be undone: what it took back is then recorded
/// again, under new numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Retraction {
    /// Its number in the task.
    pub sequence: Sequence,
    /// The task.
    pub task: TaskName,
    /// Why, as the user said.
    pub reason: String,
    /// Observations it took back.
    pub n_observations: u64,
    /// When.
    pub retracted_at: Timestamp,
    /// When it was undone.
    pub undone_at: Option<Timestamp>,
}
