//! The whole predictor: an encoder and a head for each time step that is scored.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::model::ModelConfig;
use crate::model::graph_batch::GraphBatch;
use crate::model::layers::{Dropout, Head};
use crate::model::ta_gates::TaGates;

/// TA-GATES with its heads. Tensors are named as in published checkpoints.
#[derive(Debug)]
pub struct Network {
    encoder: TaGates,
    heads: Vec<StepHead>,
}

/// The head of one time step.
#[derive(Debug)]
struct StepHead {
    step: usize,
    head: Head,
}

impl Network {
    /// A network for spaces of `n_operations` operations that scores `steps` (1 to T, ascending).
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    ///
    /// # Panics
    /// With a configuration that does not pass [`ModelConfig::validate`].
    pub fn new(cfg: &ModelConfig, n_operations: usize, steps: &[usize], vb: &VarBuilder) -> Result<Self> {
        let embedding_dim = cfg.forward_dims.last().copied().expect("validated: a stack has a layer");
        let head = |step: usize| {
            let vb = if step == cfg.n_steps { vb.pp("mlp") } else { vb.pp("pre_mlps").pp(step - 1) };
            Ok(StepHead { step, head: Head::new(embedding_dim, &cfg.head_dims, &vb)? })
        };
        Ok(Self {
            encoder: TaGates::new(cfg, n_operations, &vb.pp("arch_embedder"))?,
            heads: steps.iter().map(|&step| head(step)).collect::<Result<_>>()?,
        })
    }

    /// The embedding of each graph at each scored step, in the order of the steps:
    /// `[n_graphs, embedding]` each.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn embed(&self, batch: &GraphBatch) -> Result<Vec<Tensor>> {
        let embeddings = self.encoder.forward(batch)?;
        Ok(self.heads.iter().map(|head| embeddings[head.step - 1].clone()).collect())
    }

    /// Raw scores `[rows]` of embeddings of the `index`-th scored step.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn score(&self, index: usize, embeddings: &Tensor, dropout: &mut dyn Dropout) -> Result<Tensor> {
        self.heads[index].head.forward(embeddings, dropout)
    }
}
