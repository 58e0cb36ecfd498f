//! The whole predictor: an encoder and heads for the time steps that are scored.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use crate::model::encoder::{self, Encode, Noise, Padding};
use crate::model::features::Standardised;
use crate::model::layers::{Dropout, Head};
use crate::model::{Heads, Input, ModelConfig};
use crate::space::SearchSpace;

/// An encoder with its heads. Tensors are named as in published checkpoints.
#[derive(Debug)]
pub struct Network {
    encoder: Box<dyn Encode>,
    features: Option<Standardised>,
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
    /// With a configuration that does not pass [`ModelConfig::validate`] and [`ModelConfig::check_space`].
    pub fn new(cfg: &ModelConfig, space: &SearchSpace, steps: &[usize], vb: &VarBuilder) -> Result<Self> {
        let encoder = encoder::new(&cfg.encoder, space, &vb.pp("arch_embedder"))?;
        let features = Standardised::new(cfg.features, vb)?;
        let n_steps = cfg.n_steps();
        let head = |step: usize, n_outputs: usize| {
            let vb = if step == n_steps { vb.pp("mlp") } else { vb.pp("pre_mlps").pp(step - 1) };
            Head::new(encoder.dim() + cfg.features.dim(), &cfg.head_dims, n_outputs, &vb)
        };
        let numbered = steps.iter().enumerate();
        let (heads, scores) = match cfg.heads {
            Heads::PerStep => (
                steps.iter().map(|&step| head(step, 1)).collect::<Result<_>>()?,
                numbered.map(|(head, &step)| Score { step, head, output: 0 }).collect(),
            ),
            Heads::LastStep => (
                vec![head(n_steps, steps.len())?],
                numbered.map(|(output, &step)| Score { step, head: 0, output }).collect(),
            ),
        };
        Ok(Self { encoder, features, heads, scores })
    }

    /// What the heads read of each input, its embedding and its features, for each score, in the order of the steps: `[n_rows, embedding]` each, a
    /// row for each input, then one where `padding` asks for it. The inputs have to be checked for this model.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn embed(
        &self,
        inputs: &[Input<'_>],
        noise: &mut Noise<'_>,
        padding: Padding,
    ) -> Result<Vec<Tensor>> {
        let mut embeddings = self.encoder.embed(inputs, noise, padding)?;
        if let Some(features) = &self.features {
            let rows = features.rows(inputs, embeddings[0].dim(0)?)?;
            for embedding in &mut embeddings {
                *embedding = Tensor::cat(&[&*embedding, &rows], 1)?;
            }
        }
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
