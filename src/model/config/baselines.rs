//! The shapes of the encoders that TA-GATES is compared with (`method.md` section 10).

use serde::{Deserialize, Serialize};

use crate::model::config::{ConfigError, MAX_DIM, widths, within};

/// An MLP over the choices that make up an architecture, as raw numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Widths of its layers. Without any, heads read the numbers themselves: so it was published, where the hidden
    /// layers of the head are the MLP.
    #[serde(default)]
    pub dims: Vec<usize>,
}

/// An LSTM over the embeddings of the choices that make up an architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LstmConfig {
    /// Width of the embedding of a choice.
    pub embedding_dim: usize,
    /// Width of the LSTM.
    pub hidden_dim: usize,
}

/// Graph convolutions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcnConfig {
    /// Width of an operation's embedding.
    pub operation_dim: usize,
    /// Width of a vertex before the first convolution.
    pub hidden_dim: usize,
    /// Width after each convolution.
    pub dims: Vec<usize>,
}

impl MlpConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        widths("dims", &self.dims, 0)
    }
}

impl LstmConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("embedding_dim", self.embedding_dim, 1, MAX_DIM)?;
        within("hidden_dim", self.hidden_dim, 1, MAX_DIM)
    }
}

impl GcnConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("operation_dim", self.operation_dim, 1, MAX_DIM)?;
        within("hidden_dim", self.hidden_dim, 1, MAX_DIM)?;
        widths("dims", &self.dims, 1)
    }
}
