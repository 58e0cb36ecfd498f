//! What is measured of each operation.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A zero-cost metric of a weight, with the definition of Abdelfattah et al. (Zero-Cost Proxies for Lightweight NAS,
/// 2021). L is the cross-entropy of the mini-batch, g its gradient, H its Hessian, W the weight, and R the sum of the
/// outputs for an image of ones where all weights are replaced by their absolute values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// The Euclidean norm of g.
    GradNorm,
    /// The sum of |W g|.
    Snip,
    /// The sum of -W (H g).
    Grasp,
    /// For each channel that is made half the mean over images of the square of what its gradient and itself sum up
    /// to; the sum of these.
    Fisher,
    /// The sum of W g.
    Plain,
    /// The sum of |W dR/dW|, with batch normalisation.
    SynflowBn,
    /// The sum of |W dR/dW|, without batch normalisation.
    Synflow,
}

impl Metric {
    /// All of them, in the order in which they are written unless a proxy says otherwise.
    pub const ALL: [Self; 7] =
        [Self::GradNorm, Self::Snip, Self::Grasp, Self::Fisher, Self::Plain, Self::SynflowBn, Self::Synflow];

    /// The name in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GradNorm => "grad_norm",
            Self::Snip => "snip",
            Self::Grasp => "grasp",
            Self::Fisher => "fisher",
            Self::Plain => "plain",
            Self::SynflowBn => "synflow_bn",
            Self::Synflow => "synflow",
        }
    }

    /// Whether it is of the loss, not of the flow of ones.
    pub(super) fn is_of_loss(self) -> bool {
        !matches!(self, Self::SynflowBn | Self::Synflow)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
