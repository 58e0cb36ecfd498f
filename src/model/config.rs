//! The shape of a predictor: everything needed to build it, nothing of how it is trained.

use serde::{Deserialize, Serialize};

use crate::space::{Placement, ReadOut, SearchSpace};

/// Widths, depth and variants of a TA-GATES encoder and its heads. The field names follow
/// `method.md`; the defaults are the paper's choices for NAS-Bench-201 without saliencies.
///
/// GATES (`method.md` section 9) is the encoder with `n_steps = 1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
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
    /// Hidden widths of each head.
    pub head_dims: Vec<usize>,
    /// Probability that training drops a hidden value of a head.
    pub head_dropout: f64,
    /// Where nodes start that are no input.
    #[serde(default)]
    pub other_node: OtherNode,
    /// Where the encoding is read, if not where the space says.
    #[serde(default)]
    pub read_out: Option<ReadOut>,
    /// Which time steps have heads, where there are several targets.
    #[serde(default)]
    pub heads: Heads,
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

impl Default for ModelConfig {
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
            head_dims: vec![200],
            head_dropout: 0.1,
            other_node: OtherNode::Zero,
            read_out: None,
            heads: Heads::PerStep,
            encodes: Encodes::Written,
        }
    }
}

/// A configuration no model can be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field, as it is named in the configuration.
    pub field: &'static str,
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
        within("n_steps", self.n_steps, 1, MAX_STEPS)?;
        within("operation_dim", self.operation_dim, 1, MAX_DIM)?;
        within("node_dim", self.node_dim, 1, MAX_DIM)?;
        within("hidden_dim", self.hidden_dim, 1, MAX_DIM)?;
        widths("forward_dims", &self.forward_dims, 1)?;
        widths("backward_dims", &self.backward_dims, 1)?;
        widths("conversion_dims", &self.conversion_dims, 1)?;
        widths("update_dims", &self.update_dims, 0)?;
        widths("head_dims", &self.head_dims, 0)?;
        if let Some(n_metrics) = self.symmetry_breaking.n_metrics() {
            within("symmetry_breaking.n_metrics", n_metrics, 1, MAX_DIM)?;
        }
        let scale = match self.symmetry_breaking {
            SymmetryBreaking::Random { scale } => scale,
            SymmetryBreaking::Add { beta, .. } => beta,
            SymmetryBreaking::None | SymmetryBreaking::Concat { .. } => 0.0,
        };
        if !scale.is_finite() || !self.update_scale.is_finite() {
            return Err(error("update_scale, symmetry_breaking", "not a finite number".into()));
        }
        if !(0.0..1.0).contains(&self.head_dropout) {
            return Err(error(
                "head_dropout",
                format!("{} is not at least 0 and below 1", self.head_dropout),
            ));
        }
        Ok(())
    }
}

impl ModelConfig {
    /// Checks that the model can encode architectures of `space`.
    ///
    /// # Errors
    /// Names the field that does not fit.
    pub fn check_space(&self, space: &SearchSpace) -> Result<(), ConfigError> {
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

fn error(field: &'static str, problem: String) -> ConfigError {
    ConfigError { field, problem }
}

fn within(field: &'static str, value: usize, least: usize, most: usize) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(error(field, format!("{value} is not between {least} and {most}")))
    }
}

fn widths(field: &'static str, dims: &[usize], least_layers: usize) -> Result<(), ConfigError> {
    within(field, dims.len(), least_layers, MAX_LAYERS)?;
    dims.iter().try_for_each(|&dim| within(field, dim, 1, MAX_DIM))
}
