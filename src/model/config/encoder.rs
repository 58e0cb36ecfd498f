//! The encoders there are, and what every one of them can be asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::config::{ConfigError, TaGatesConfig};
use crate::space::SearchSpace;

/// What turns architectures into vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoder {
    /// Forward and backward passes over time steps; GATES where there is one step.
    TaGates(TaGatesConfig),
}

/// A kind of predictor: what its encoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictorKind {
    /// [`TaGatesConfig`] as it says; GATES where it has one time step.
    TaGates,
}

/// The name under which a configuration keeps the encoder.
impl fmt::Display for PredictorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TaGates => "ta_gates",
        })
    }
}

impl Encoder {
    /// The kind of predictor it makes.
    #[must_use]
    pub fn kind(&self) -> PredictorKind {
        match self {
            Self::TaGates(_) => PredictorKind::TaGates,
        }
    }

    /// Time steps: how many embeddings an architecture has.
    #[must_use]
    pub fn n_steps(&self) -> usize {
        match self {
            Self::TaGates(cfg) => cfg.n_steps,
        }
    }

    /// Saliency metrics an operation must come with, `None` where no saliencies are used.
    #[must_use]
    pub fn n_metrics(&self) -> Option<usize> {
        match self {
            Self::TaGates(cfg) => cfg.symmetry_breaking.n_metrics(),
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let checked = match self {
            Self::TaGates(cfg) => cfg.validate(),
        };
        self.with_path(checked)
    }

    pub(super) fn check_space(&self, space: &SearchSpace) -> Result<(), ConfigError> {
        let checked = match self {
            Self::TaGates(cfg) => cfg.check_space(space),
        };
        self.with_path(checked)
    }

    /// The field as it is named from the model on.
    fn with_path(&self, checked: Result<(), ConfigError>) -> Result<(), ConfigError> {
        checked.map_err(|error| ConfigError {
            field: format!("encoder.{}.{}", self.kind(), error.field),
            ..error
        })
    }
}
