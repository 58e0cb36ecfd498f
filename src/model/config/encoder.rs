//! The encoders there are, and what every one of them can be asked.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::config::{ConfigError, GcnConfig, LstmConfig, MlpConfig, TaGatesConfig, error};
use crate::model::encoder;
use crate::space::SearchSpace;

/// What turns architectures into vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Encoder {
    /// Forward and backward passes over time steps; GATES where there is one step.
    TaGates(TaGatesConfig),
    /// Layers over what was chosen, as numbers.
    Mlp(MlpConfig),
    /// An LSTM over what was chosen; its last output.
    Lstm(LstmConfig),
    /// SemiNAS's encoder: an LSTM over what was chosen, the mean of its outputs.
    Seminas(LstmConfig),
    /// Convolutions over the nodes of a cell and a global one.
    Gcn(GcnConfig),
    /// Convolutions over the edges of a cell.
    LineGcn(GcnConfig),
}

/// A kind of predictor: what its encoder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictorKind {
    /// [`Encoder::TaGates`].
    TaGates,
    /// [`Encoder::Mlp`].
    Mlp,
    /// [`Encoder::Lstm`].
    Lstm,
    /// [`Encoder::Seminas`].
    Seminas,
    /// [`Encoder::Gcn`].
    Gcn,
    /// [`Encoder::LineGcn`].
    LineGcn,
}

/// The name under which a configuration keeps the encoder.
impl fmt::Display for PredictorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TaGates => "ta_gates",
            Self::Mlp => "mlp",
            Self::Lstm => "lstm",
            Self::Seminas => "seminas",
            Self::Gcn => "gcn",
            Self::LineGcn => "line_gcn",
        })
    }
}

impl Encoder {
    /// The kind of predictor it makes.
    #[must_use]
    pub fn kind(&self) -> PredictorKind {
        match self {
            Self::TaGates(_) => PredictorKind::TaGates,
            Self::Mlp(_) => PredictorKind::Mlp,
            Self::Lstm(_) => PredictorKind::Lstm,
            Self::Seminas(_) => PredictorKind::Seminas,
            Self::Gcn(_) => PredictorKind::Gcn,
            Self::LineGcn(_) => PredictorKind::LineGcn,
        }
    }

    /// Time steps: how many embeddings an architecture has.
    #[must_use]
    pub fn n_steps(&self) -> usize {
        match self {
            Self::TaGates(cfg) => cfg.n_steps,
            Self::Mlp(_) | Self::Lstm(_) | Self::Seminas(_) | Self::Gcn(_) | Self::LineGcn(_) => 1,
        }
    }

    /// Saliency metrics an operation must come with, `None` where no saliencies are used.
    #[must_use]
    pub fn n_metrics(&self) -> Option<usize> {
        match self {
            Self::TaGates(cfg) => cfg.symmetry_breaking.n_metrics(),
            Self::Mlp(_) | Self::Lstm(_) | Self::Seminas(_) | Self::Gcn(_) | Self::LineGcn(_) => None,
        }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let checked = match self {
            Self::TaGates(cfg) => cfg.validate(),
            Self::Mlp(cfg) => cfg.validate(),
            Self::Lstm(cfg) | Self::Seminas(cfg) => cfg.validate(),
            Self::Gcn(cfg) | Self::LineGcn(cfg) => cfg.validate(),
        };
        self.with_path(checked)
    }

    pub(super) fn check_space(&self, space: &SearchSpace) -> Result<(), ConfigError> {
        if let Self::TaGates(cfg) = self {
            self.with_path(cfg.check_space(space))?;
        }
        encoder::check_space(self, space)
            .map_err(|problem| error(&format!("encoder.{}", self.kind()), problem))
    }

    /// The field as it is named from the model on.
    fn with_path(&self, checked: Result<(), ConfigError>) -> Result<(), ConfigError> {
        checked.map_err(|error| ConfigError {
            field: format!("encoder.{}.{}", self.kind(), error.field),
            ..error
        })
    }
}
