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

impl From<domain::StepPrediction> for pb::Prediction {
    fn from(step: domain::StepPrediction) -> Self {
        Self { score: step.score, budget: step.budget.map(|budget| budget.0) }
    }
}

impl From<pb::Prediction> for domain::StepPrediction {
    fn from(prediction: pb::Prediction) -> Self {
        Self { budget: prediction.budget.map(Budget), score: prediction.score }
    }
}

/// What became of one architecture: scores, or why there are none.
pub type Outcome = Result<domain::Prediction, tonic_types::pb::Status>;

impl From<Outcome> for pb::PredictResult {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome: Some(match outcome {
                Ok(prediction) => pb::predict_result::Outcome::Prediction((*prediction.last()).into()),
                Err(error) => pb::predict_result::Outcome::Error(error),
            }),
        }
    }
}

impl pb::PredictResult {
    /// What became of the architecture.
    ///
    /// # Errors
    /// When the message says nothing of it.
    pub fn decode(self) -> Result<Outcome, WireError> {
        match self.outcome {
            Some(pb::predict_result::Outcome::Prediction(prediction)) => {
                Ok(Ok(domain::Prediction { steps: vec![prediction.into()] }))
            }
            Some(pb::predict_result::Outcome::Error(error)) => Ok(Err(error)),
            None => Err(WireError::new("outcome", "is not given")),
        }
    }
}

impl From<Outcome> for pb::PredictAnytimeResult {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome: Some(match outcome {
                Ok(prediction) => {
                    let steps = prediction.steps.into_iter().map(Into::into).collect();
                    pb::predict_anytime_result::Outcome::Prediction(pb::AnytimePrediction { steps })
                }
                Err(error) => pb::predict_anytime_result::Outcome::Error(error),
            }),
        }
    }
}

impl pb::PredictAnytimeResult {
    /// What became of the architecture.
    ///
    /// # Errors
    /// When the message says nothing of it.
    pub fn decode(self) -> Result<Outcome, WireError> {
        match self.outcome {
            Some(pb::predict_anytime_result::Outcome::Prediction(prediction))
                if prediction.steps.is_empty() =>
            {
                Err(WireError::new("prediction.steps", "has no entry"))
            }
            Some(pb::predict_anytime_result::Outcome::Prediction(prediction)) => {
                Ok(Ok(domain::Prediction { steps: prediction.steps.into_iter().map(Into::into).collect() }))
            }
            Some(pb::predict_anytime_result::Outcome::Error(error)) => Ok(Err(error)),
            None => Err(WireError::new("outcome", "is not given")),
        }
    }
}
