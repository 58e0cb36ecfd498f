//! Predictions on the wire.

use crate::domain::{self, Budget};
use crate::pb::{self, WireError};

impl From<domain::ScoreKind> for pb::ScoreKind {
    fn from(kind: domain::ScoreKind) -> Self {
        match kind {
            domain::ScoreKind::Rank => Self::Rank,
            domain::ScoreKind::Metric => Self::Metric,
        }
    }
}

impl From<domain::Unit> for pb::Unit {
    fn from(unit: domain::Unit) -> Self {
        match unit {
            domain::Unit::Percent => Self::Percent,
            domain::Unit::Fraction => Self::Fraction,
            domain::Unit::None => Self::None,
        }
    }
}

impl From<domain::StepPrediction> for pb::Prediction {
    fn from(step: domain::StepPrediction) -> Self {
        Self { score: step.score, budget: step.budget.map(|budget| budget.0) }
    }
}

impl From<domain::Prediction> for pb::AnytimePrediction {
    fn from(prediction: domain::Prediction) -> Self {
        Self { steps: prediction.steps.into_iter().map(Into::into).collect() }
    }
}

impl TryFrom<pb::ScoreKind> for domain::ScoreKind {
    type Error = WireError;

    fn try_from(kind: pb::ScoreKind) -> Result<Self, WireError> {
        match kind {
            pb::ScoreKind::Rank => Ok(Self::Rank),
            pb::ScoreKind::Metric => Ok(Self::Metric),
            pb::ScoreKind::Unspecified => Err(WireError::new("score_kind", "is not given")),
        }
    }
}

impl TryFrom<pb::Unit> for domain::Unit {
    type Error = WireError;

    fn try_from(unit: pb::Unit) -> Result<Self, WireError> {
        match unit {
            pb::Unit::Percent => Ok(Self::Percent),
            pb::Unit::Fraction => Ok(Self::Fraction),
            pb::Unit::None => Ok(Self::None),
            pb::Unit::Unspecified => Err(WireError::new("unit", "is not given")),
        }
    }
}

impl From<pb::Prediction> for domain::StepPrediction {
    fn from(prediction: pb::Prediction) -> Self {
        Self { budget: prediction.budget.map(Budget), score: prediction.score }
    }
}

impl TryFrom<pb::AnytimePrediction> for domain::Prediction {
    type Error = WireError;

    fn try_from(prediction: pb::AnytimePrediction) -> Result<Self, WireError> {
        if prediction.steps.is_empty() {
            return Err(WireError::new("steps", "has no entry"));
        }
        Ok(Self { steps: prediction.steps.into_iter().map(Into::into).collect() })
    }
}
