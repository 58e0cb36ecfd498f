//! What turns architectures into vectors. Each encoder lays out a batch of architectures in its own way.

mod carry;
mod graph_batch;
mod graph_rows;
mod ta_gates;

use std::fmt::Debug;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

pub(in crate::model) use self::carry::{add_carried, add_gated};
pub(in crate::model) use self::graph_batch::Direction;
use self::ta_gates::TaGates;
use crate::model::{Encoder, Input};
use crate::space::SearchSpace;

/// An encoder of one space.
pub(in crate::model) trait Encode: Debug + Send + Sync {
    /// The width of an embedding.
    fn dim(&self) -> usize;

    /// The embeddings of `inputs`, which the model has checked, at each time step: `[n_rows, dim]`, a row for each
    /// input, then one where `padding` asks for it.
    ///
    /// # Errors
    /// When a tensor operation fails.
    fn embed(&self, inputs: &[Input<'_>], noise: &mut Noise<'_>, padding: Padding) -> Result<Vec<Tensor>>;
}

/// Whether a batch gets an architecture that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The batch is what it is.
    None,
    /// One is added at the end, so that no product has fewer than two rows: gemm adds up a single row in another
    /// order, and the score of an architecture would depend on its company.
    Filler,
}

/// Draws noise for an input: as many standard normal values as asked for.
pub type Noise<'a> = dyn FnMut(&Input<'_>, usize) -> Vec<f64> + 'a;

/// The encoder that `cfg` describes, for architectures of `space`.
///
/// # Errors
/// When `vb` lacks a tensor or has it in another shape.
pub(in crate::model) fn new(cfg: &Encoder, space: &SearchSpace, vb: &VarBuilder) -> Result<Box<dyn Encode>> {
    Ok(match cfg {
        Encoder::TaGates(cfg) => Box::new(TaGates::new(cfg, space, vb)?),
    })
}
