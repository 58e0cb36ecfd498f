//! Predictions on the wire.

use crate::domain;
use crate::pb;

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
