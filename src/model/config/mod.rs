//! The shape of a predictor: everything needed to build it, nothing of how it is trained.

mod baselines;
mod encoder;
mod flat;
mod ta_gates;

use serde::{Deserialize, Serialize};

pub use self::baselines::{GcnConfig, LstmConfig, MlpConfig};
pub use self::encoder::{Encoder, PredictorKind};
pub use self::ta_gates::{
    Encodes, OtherNode, SaliencyScale, SymmetryBreaking, TaGatesConfig, UpdateInput, UpdateMask,
};
use crate::model::Features;
use crate::space::SearchSpace;

/// An encoder and the heads that score what it makes of an architecture. The field names follow `method.md`; the
/// defaults are the paper's choices for NAS-Bench-201 without saliencies.
///
/// It is read from the flat form of format 1, too, where the fields of TA-GATES stood beside those of the heads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "flat::AnyForm")]
pub struct ModelConfig {
    /// What turns architectures into vectors.
    pub encoder: Encoder,
    /// Hidden widths of each head.
    pub head_dims: Vec<usize>,
    /// Probability that training drops a hidden value of a head.
    pub head_dropout: f64,
    /// Which time steps have heads, where there are several targets.
    pub heads: Heads,
    /// What heads read beside the embedding.
    pub features: Features,
}

/// Which time steps have heads, where there are several targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heads {
    /// Each of the last time steps one of its own, the last target at the last step (`method.md` section 8).
    #[default]
    PerStep,
    /// The last time step one head with an output for each target, as the baselines of section 8.
    LastStep,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            encoder: Encoder::TaGates(TaGatesConfig::default()),
            head_dims: vec![200],
            head_dropout: 0.1,
            heads: Heads::PerStep,
            features: Features::default(),
        }
    }
}

/// A configuration no model can be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field, as it is named in the configuration.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

/// No published predictor is near these; they bound what a foreign checkpoint can make us do.
const MAX_DIM: usize = 4_096;
const MAX_LAYERS: usize = 64;
/// Time steps at most.
pub const MAX_STEPS: usize = 64;

impl ModelConfig {
    /// Checks that a model of this shape can be built and is of bounded size.
    ///
    /// # Errors
    /// Names the first field that is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.encoder.validate()?;
        within("features.n_metrics", self.features.n_metrics, 0, MAX_DIM)?;
        widths("head_dims", &self.head_dims, 0)?;
        if !(0.0..1.0).contains(&self.head_dropout) {
            let problem = format!("{} is not at least 0 and below 1", self.head_dropout);
            return Err(error("head_dropout", problem));
        }
        Ok(())
    }

    /// Checks that the model can encode architectures of `space`.
    ///
    /// # Errors
    /// Names the field that does not fit.
    pub fn check_space(&self, space: &SearchSpace) -> Result<(), ConfigError> {
        self.features.check_space(space)?;
        self.encoder.check_space(space)
    }

    /// Time steps T: how many embeddings an architecture has.
    #[must_use]
    pub fn n_steps(&self) -> usize {
        self.encoder.n_steps()
    }

    /// Saliency metrics an operation may or must come with, `None` where no saliencies are used.
    #[must_use]
    pub fn n_metrics_taken(&self) -> Option<usize> {
        self.n_metrics().or((self.features.n_metrics > 0).then_some(self.features.n_metrics))
    }

    /// Saliency metrics an operation must come with, `None` where no saliencies are used.
    #[must_use]
    pub fn n_metrics(&self) -> Option<usize> {
        self.encoder.n_metrics()
    }
}

fn error(field: &str, problem: String) -> ConfigError {
    ConfigError { field: field.to_owned(), problem }
}

fn within(field: &str, value: usize, least: usize, most: usize) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(error(field, format!("{value} is not between {least} and {most}")))
    }
}

fn widths(field: &str, dims: &[usize], least_layers: usize) -> Result<(), ConfigError> {
    within(field, dims.len(), least_layers, MAX_LAYERS)?;
    dims.iter().try_for_each(|&dim| within(field, dim, 1, MAX_DIM))
}
