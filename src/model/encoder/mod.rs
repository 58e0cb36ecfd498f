//! What turns architectures into vectors. Each encoder lays out a batch of architectures in its own way.

mod carry;
#[cfg(feature = "cuda")]
mod carry_cuda;
mod convolution;
mod edges;
mod gcn;
mod graph_batch;
mod graph_rows;
mod line_gcn;
mod lstm;
mod mlp;
mod saliencies;
mod sequence;
mod ta_gates;

use std::borrow::Cow;
use std::fmt::Debug;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

pub use self::carry::rows_at;
pub(in crate::model) use self::carry::{add_carried, add_gated, carried, picked};
use self::gcn::Gcn;
pub(in crate::model) use self::graph_batch::Direction;
use self::line_gcn::LineGcn;
use self::lstm::{LstmEncoder, Read};
use self::mlp::MlpEncoder;
pub(in crate::model) use self::saliencies::{is_saliency_statistic, saliency_statistics};
pub use self::sequence::one_hot;
use self::ta_gates::TaGates;
use crate::model::{Encoder, Input};
use crate::space::{Cell, CellShape, DeadNodes, SearchSpace};

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

impl Padding {
    /// The inputs, the first of them once more as the filler.
    fn fill<'a>(self, inputs: &[Input<'a>]) -> Vec<Input<'a>> {
        let filler = inputs.first().filter(|_| self == Self::Filler);
        inputs.iter().chain(filler).copied().collect()
    }
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
        Encoder::Mlp(cfg) => Box::new(MlpEncoder::new(cfg, space, vb)?),
        Encoder::Lstm(cfg) => Box::new(LstmEncoder::new(cfg, Read::Last, space, vb)?),
        Encoder::Seminas(cfg) => Box::new(LstmEncoder::new(cfg, Read::NormalisedMean, space, vb)?),
        Encoder::Gcn(cfg) => Box::new(Gcn::new(cfg, space, vb)?),
        Encoder::LineGcn(cfg) => Box::new(LineGcn::new(cfg, space, vb)?),
    })
}

/// Says why `cfg` describes no encoder of `space`, where it is so for more than one of its fields.
pub(in crate::model) fn check_space(cfg: &Encoder, space: &SearchSpace) -> std::result::Result<(), String> {
    match cfg {
        Encoder::TaGates(_) => Ok(()),
        Encoder::Mlp(_) | Encoder::Lstm(_) | Encoder::Seminas(_) => sequence::check(space),
        Encoder::Gcn(_) => gcn::check(space),
        Encoder::LineGcn(_) => line_gcn::check(space),
    }
}

/// The cell without what the space prunes.
fn seen<'a>(space: &SearchSpace, shape: &CellShape, cell: &'a Cell) -> Cow<'a, Cell> {
    match space.dead_nodes {
        DeadNodes::Kept => Cow::Borrowed(cell),
        DeadNodes::Pruned => Cow::Owned(space.without_dead_nodes(shape, cell)),
    }
}

/// The rows of the cells of each architecture joined: `[n_graphs, dim]` to `[n_graphs / n_cells, n_cells * dim]`.
fn side_by_side(rows: &Tensor, n_cells: usize) -> Result<Tensor> {
    let (n_graphs, dim) = rows.dims2()?;
    rows.reshape((n_graphs / n_cells, n_cells * dim))
}
