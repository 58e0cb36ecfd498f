//! The shape of a TA-GATES encoder.

use serde::{Deserialize, Serialize};

use crate::model::config::{ConfigError, MAX_DIM, MAX_STEPS, error, widths, within};
use crate::space::{Placement, ReadOut, SearchSpace};

/// Widths, depth and variants of a TA-GATES encoder.
///
/// GATES (`method.md` section 9) is the encoder with `n_steps = 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaGatesConfig {
    /// Time steps T: forward passes over the graph. Between them there are T - 1 updates.
    pub n_steps: usize,
    /// Width of an operation's embedding, `d_o`.
    pub operation_dim: usize,
    /// Width of the learnable embedding of the input node, `E`.
    pub node_dim: usize,
    /// Width of node information before the first layer.
    pub hidden_dim: usize,
    /// Width after each layer of the forward stack.
    pub forward_dims: Vec<usize>,
    /// Width after each layer of the backward stack.
    pub backward_dims: Vec<usize>,
    /// Widths of the conversion from forward to backward information (`FBConvert`).
    pub conversion_dims: Vec<usize>,
    /// Hidden widths of the update MLP (`GetOpEmbUpdate`).
    pub update_dims: Vec<usize>,
    /// Factor `s` of each update.
    pub update_scale: f64,
    /// What the update MLP sees of the two passes.
    pub update_input: UpdateInput,
    /// Which operations are updated.
    pub update_mask: UpdateMask,
    /// How operations of one kind are told apart.
    pub symmetry_breaking: SymmetryBreaking,
    /// In which scale saliencies come to it.
    #[serde(default, skip_serializing_if = "SaliencyScale::is_as_given")]
    pub saliency_scale: SaliencyScale,
    /// Where nodes start that are no input.
    #[serde(default)]
    pub other_node: OtherNode,
    /// Where the encoding is read, if not where the space says.
    #[serde(default)]
    pub read_out: Option<ReadOut>,
    /// Which graph of an architecture is encoded.
    #[serde(default)]
    pub encodes: Encodes,
}

/// Where nodes start that are no input (`method.md` section 0.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherNode {
    /// From the bias alone: their embedding stays zero.
    #[default]
    Zero,
    /// From an embedding that begins with zero and is trained.
    Trained,
}

/// Which graph of an architecture is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encodes {
    /// The one that was written (published code).
    #[default]
    Written,
    /// The one that represents all that compute the same thing, so that they score alike (paper, appendix A.1).
    Representative,
}

/// What an update is computed from, besides the embedding (`method.md` section 0.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateInput {
    /// The messages the operation's edge carried in the last layer of both stacks (published
    /// configuration of NAS-Bench-201).
    Messages,
    /// The forward information of its target and the backward information of its source (Eq. A4); of its own
    /// node where operations sit on nodes.
    Nodes,
}

/// Which operations' embeddings are updated over the time steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateMask {
    /// Those with trained weights (published code).
    Parametrised,
    /// All of them (what the paper ran on NAS-Bench-201, Table A9).
    All,
}

/// How operations of one kind are told apart (`method.md` section 5).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SymmetryBreaking {
    /// Not at all.
    None,
    /// Gaussian noise on every embedding, in training and in serving.
    Random {
        /// Standard deviation.
        scale: f64,
    },
    /// An embedding of the saliencies Z is added once.
    Add {
        /// Saliency metrics per operation.
        n_metrics: usize,
        /// Factor beta of the added embedding.
        beta: f64,
    },
    /// Z is appended to what the attention of every layer sees.
    Concat {
        /// Saliency metrics per operation.
        n_metrics: usize,
    },
}

/// In which scale saliencies come to the encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaliencyScale {
    /// As they are given (published code, whose saliencies were scaled by whoever made them).
    #[default]
    AsGiven,
    /// Each metric with mean 0 and deviation 1 over the operations with trained weights of the training set; 0 for
    /// operations without any. What hardly varies there, as mere rounding, is not enlarged.
    Standardised,
}

impl SaliencyScale {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_as_given(&self) -> bool {
        *self == Self::AsGiven
    }
}

impl SymmetryBreaking {
    /// Saliency metrics an operation must come with, `None` where no saliencies are used.
    #[must_use]
    pub fn n_metrics(self) -> Option<usize> {
        match self {
            Self::None | Self::Random { .. } => None,
            Self::Add { n_metrics, .. } | Self::Concat { n_metrics } => Some(n_metrics),
        }
    }
}

impl Default for TaGatesConfig {
    fn default() -> Self {
        Self {
            n_steps: 3,
            operation_dim: 48,
            node_dim: 48,
            hidden_dim: 96,
            forward_dims: vec![128; 5],
            backward_dims: vec![128; 5],
            conversion_dims: vec![128, 128],
            update_dims: vec![128],
            update_scale: 0.1,
            update_input: UpdateInput::Messages,
            update_mask: UpdateMask::Parametrised,
            symmetry_breaking: SymmetryBreaking::None,
            saliency_scale: SaliencyScale::AsGiven,
            other_node: OtherNode::Zero,
            read_out: None,
            encodes: Encodes::Written,
        }
    }
}

impl TaGatesConfig {
    /// Checks that an encoder of this shape can be built and is of bounded size.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("n_steps", self.n_steps, 1, MAX_STEPS)?;
        within("operation_dim", self.operation_dim, 1, MAX_DIM)?;
        within("node_dim", self.node_dim, 1, MAX_DIM)?;
        within("hidden_dim", self.hidden_dim, 1, MAX_DIM)?;
        widths("forward_dims", &self.forward_dims, 1)?;
        widths("backward_dims", &self.backward_dims, 1)?;
        widths("conversion_dims", &self.conversion_dims, 1)?;
        widths("update_dims", &self.update_dims, 0)?;
        if let Some(n_metrics) = self.symmetry_breaking.n_metrics() {
            within("symmetry_breaking.n_metrics", n_metrics, 1, MAX_DIM)?;
        } else if self.saliency_scale == SaliencyScale::Standardised {
            let problem = "symmetry_breaking takes no saliencies that could be standardised";
            return Err(error("saliency_scale", problem.to_owned()));
        }
        let scale = match self.symmetry_breaking {
            SymmetryBreaking::Random { scale } => scale,
            SymmetryBreaking::Add { beta, .. } => beta,
            SymmetryBreaking::None | SymmetryBreaking::Concat { .. } => 0.0,
        };
        if !scale.is_finite() || !self.update_scale.is_finite() {
            return Err(error("update_scale, symmetry_breaking", "not a finite number".into()));
        }
        Ok(())
    }

    /// Checks that the encoder takes architectures of `space`.
    pub(super) fn check_space(&self, space: &SearchSpace) -> Result<(), ConfigError> {
        let has_updates = self.n_steps > 1;
        if has_updates && self.update_input == UpdateInput::Messages && space.placement == Placement::Node {
            let problem = format!("messages need operations on edges, {} has them on nodes", space.name);
            return Err(error("update_input", problem));
        }
        Ok(())
    }

    /// Where the encoding of an architecture of `space` is read.
    #[must_use]
    pub fn read_out(&self, space: &SearchSpace) -> ReadOut {
        self.read_out.unwrap_or(space.read_out)
    }
}
