//! How a prediction is printed.

use std::fmt;

use serde::Serialize;

use crate::cli::predict::Scores;
use crate::domain::{Budget, Prediction, ScoreKind, StepPrediction, Unit};

/// One architecture and what became of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Record<'a> {
    /// It has a score.
    Scored {
        architecture: &'a str,
        score: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        budget: Option<Budget>,
        #[serde(skip_serializing_if = "Option::is_none")]
        steps: Option<&'a [StepPrediction]>,
        score_kind: ScoreKind,
        #[serde(skip_serializing_if = "Option::is_none")]
        unit: Option<Unit>,
        model_version: &'a str,
    },
    /// It cannot be scored.
    Failed { architecture: &'a str, error: &'a str },
}

impl<'a> Record<'a> {
    pub fn new(
        architecture: &'a str,
        prediction: &'a Result<Prediction, String>,
        scores: &'a Scores,
        anytime: bool,
    ) -> Self {
        match prediction {
            Ok(prediction) => Self::Scored {
                architecture,
                score: prediction.last().score,
                budget: prediction.last().budget,
                steps: anytime.then_some(&prediction.steps),
                score_kind: scores.score_kind,
                unit: scores.unit,
                model_version: &scores.model_version,
            },
            Err(error) => Self::Failed { architecture, error },
        }
    }
}

/// As text: scores and architecture between tabs, numbers as short as they can be read back exactly.
impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scored { architecture, steps: Some(steps), .. } => {
                for step in *steps {
                    write!(f, "{}\t", step.score)?;
                }
                f.write_str(architecture)
            }
            Self::Scored { architecture, score, .. } => write!(f, "{score}\t{architecture}"),
            Self::Failed { architecture, error } => write!(f, "{error}\t{architecture}"),
        }
    }
}
