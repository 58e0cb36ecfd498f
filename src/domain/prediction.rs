//! What a model says of an architecture.

use std::fmt;

use serde::Serialize;

use crate::domain::Budget;

/// Names one trained model of a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelVersionId(pub String);

impl ModelVersionId {
    /// The version a checkpoint is, by the digest of its content: the first 16 of its hex digits. The same
    /// file is the same version wherever it is loaded.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn of_digest(digest: &[u8; 32]) -> Self {
        let head = u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
        Self(format!("{head:016x}"))
    }
}

impl fmt::Display for ModelVersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What the scores of a model mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// Larger is better; only order within one model version means anything.
    Rank,
    /// An estimate of the task's metric, in its unit.
    Metric,
}

/// The score of an architecture at one time step of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct StepPrediction {
    /// The budget the step was trained to predict, where the checkpoint maps one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// In the meaning of the model's [`ScoreKind`].
    pub score: f64,
}

/// What a model says of one architecture: its steps in order, the final one last. Not empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// One per step asked for.
    pub steps: Vec<StepPrediction>,
}

impl Prediction {
    /// The final step.
    ///
    /// # Panics
    /// When there is no step, which no prediction has.
    #[must_use]
    pub fn last(&self) -> &StepPrediction {
        self.steps.last().expect("a prediction has a step")
    }
}
