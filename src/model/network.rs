//! The whole predictor: an encoder and heads for the time steps that are scored.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::model::graph_batch::GraphBatch;
use crate::model::layers::{Dropout, Head};
use crate::model::ta_gates::TaGates;
use crate::model::{Heads, ModelConfig};
use crate::space::SearchSpace;

/// TA-GATES with its heads. Tensors are named as in published checkpoints.
#[derive(Debug)]
pub struct Network {
    encoder: TaGates,
    heads: Vec<Head>,
    scores: Vec<Score>,
}

/// Where a score comes from.
#[derive(Clone, Copy, Debug)]
struct Score {
    step: usize,
    head: usize,
    output: usize,
}

impl Network {
    /// A network for `space` with a score for each of `steps` (1 to T, ascending; where all targets share the
    /// last step, T for each of them).
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    ///
    /// # Panics
    /// With a configuration that does not pass [`ModelConfig::validate`].
    pub fn new(cfg: &ModelConfig, space: &SearchSpace, steps: &[usize], vb: &VarBuilder) -> Result<Self> {
        let dim = cfg.forward_dims.last().copied().expect("validated: a stack has a layer");
        let embedding_dim = dim * space.cells.len();
        let head = |step: usize, n_outputs: usize| {
            let vb = if step == cfg.n_steps { vb.pp("mlp") } else { vb.pp("pre_mlps").pp(step - 1) };
            Head::new(embedding_dim, &cfg.head_dims, n_outputs, &vb)
        };
        let numbered = steps.iter().enumerate();
        let (heads, scores) = match cfg.heads {
            Heads::PerStep => (
                steps.iter().map(|&step| head(step, 1)).collect::<Result<_>>()?,
                numbered.map(|(head, &step)| Score { step, head, output: 0 }).collect(),
            ),
            Heads::LastStep => (
                vec![head(cfg.n_steps, steps.len())?],
                numbered.map(|(output, &step)| Score { step, head: 0, output }).collect(),
            ),
        };
        Ok(Self { encoder: TaGates::new(cfg, space, &vb.pp("arch_embedder"))?, heads, scores })
    }

    /// The embedding of each architecture for each score, in the order of the steps:
    /// `[n_architectures, embedding]` each.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn embed(&self, batch: &GraphBatch) -> Result<Vec<Tensor>> {
        let embeddings = self.encoder.forward(batch)?;
        Ok(self.scores.iter().map(|score| embeddings[score.step - 1].clone()).collect())
    }

    /// The `index`-th raw scores `[rows]` of embeddings.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn score(&self, index: usize, embeddings: &Tensor, dropout: &mut dyn Dropout) -> Result<Tensor> {
        let Score { head, output, .. } = self.scores[index];
        self.heads[head].forward(embeddings, output, dropout)
    }
}
