//! The TA-GATES encoder (paper section 3, `method.md` sections 0 to 4): an architecture is encoded
//! the way it would be trained, by forward and backward passes over T time steps that update the
//! embedding of every operation. With T = 1 it is GATES.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Module, VarBuilder};

use crate::model::encoder::graph_batch::{GraphBatch, ReadNodes};
use crate::model::encoder::saliencies::{SALIENCIES, standardised_metrics};
use crate::model::encoder::{Encode, Noise, Padding, carried, picked, side_by_side};
use crate::model::layers::{Flow, Linear, Mlp, Stack, linear};
use crate::model::naming::Table;
use crate::model::statistics::Scale;
use crate::model::{Input, SymmetryBreaking, TaGatesConfig, UpdateInput, UpdateMask, naming};
use crate::space::{Placement, SearchSpace};

/// The published hidden widths of the MLP that embeds saliencies.
const SALIENCY_DIMS: [usize; 2] = [64, 128];

/// Encodes architectures of any space: their cells share all weights but the embeddings of nodes.
#[derive(Debug)]
pub struct TaGates {
    cfg: TaGatesConfig,
    dtype: DType,
    device: Device,
    n_cells: usize,
    nodes: Table,
    operations: Table,
    start: Linear,
    forward: Stack,
    symmetry: Symmetry,
    /// Where saliencies are standardised.
    saliency_scale: Option<Scale>,
    update: Option<Update>,
}

/// How operations of one kind are told apart.
#[derive(Debug)]
enum Symmetry {
    None,
    Random { scale: f64 },
    Add { embedding: Mlp, beta: f64 },
    Concat,
}

/// What happens between two forward passes.
#[derive(Debug)]
struct Update {
    n_updates: usize,
    n_cells: usize,
    placement: Placement,
    conversion: Mlp,
    backward: Stack,
    mlp: Mlp,
    scale: f64,
    input: UpdateInput,
    mask: UpdateMask,
}

impl TaGates {
    /// An encoder for `space`, its tensors named as published.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(cfg: &TaGatesConfig, space: &SearchSpace, vb: &VarBuilder) -> Result<Self> {
        let n_appended = match cfg.symmetry_breaking {
            SymmetryBreaking::Concat { n_metrics } => n_metrics,
            _ => 0,
        };
        let seen_dim = cfg.operation_dim + n_appended;
        let forward_dims = &cfg.forward_dims;
        Ok(Self {
            cfg: cfg.clone(),
            dtype: vb.dtype(),
            device: vb.device().clone(),
            n_cells: space.cells.len(),
            nodes: naming::start_table(cfg, space, vb)?,
            operations: naming::operation_table(cfg, space, vb)?,
            start: linear(cfg.node_dim, cfg.hidden_dim, &vb.pp("x_hidden"))?,
            forward: Stack::new(space.placement, cfg.hidden_dim, forward_dims, seen_dim, &vb.pp("gcns"))?,
            symmetry: Symmetry::new(cfg, vb)?,
            saliency_scale: match standardised_metrics(cfg) {
                Some(n_metrics) => Some(Scale::new(n_metrics, &vb.pp(SALIENCIES))?),
                None => None,
            },
            update: match cfg.n_steps {
                1 => None,
                n_steps => Some(Update::new(cfg, space, n_steps - 1, seen_dim, vb)?),
            },
        })
    }

    /// The embedding of each architecture after each time step, those of its cells one after the other: T tensors
    /// `[n_architectures, n_cells * last of forward_dims]`.
    fn forward(&self, batch: &GraphBatch) -> Result<Vec<Tensor>> {
        // Computed once and used again by every time step: [n_starts, hidden_dim].
        let start = self.nodes.rows()?.apply(&self.start)?;
        let pass = |operations: &Tensor| {
            let spread = |rows: &Tensor| picked(rows, &batch.start);
            let flow = self.forward.flow(&start, spread, &self.seen(operations, batch)?, &batch.forward)?;
            let embedding = self.read(&flow.nodes, batch)?;
            Ok::<_, candle_core::Error>((flow, embedding))
        };

        let mut operations =
            self.symmetry.broken(picked(&self.operations.rows()?, &batch.operation)?, batch)?;
        let (mut flow, embedding) = pass(&operations)?;
        let mut embeddings = vec![embedding];
        if let Some(update) = &self.update {
            for _ in 0..update.n_updates {
                let backward = update.backward_pass(&flow, &self.seen(&operations, batch)?, batch)?;
                operations = update.updated(&operations, &flow, &backward, batch)?;
                let (next, embedding) = pass(&operations)?;
                flow = next;
                embeddings.push(embedding);
            }
        }
        Ok(embeddings)
    }

    /// What is read of the nodes of each cell, the cells of an architecture side by side.
    fn read(&self, nodes: &Tensor, batch: &GraphBatch) -> Result<Tensor> {
        let read = match &batch.read {
            ReadNodes::Output => picked(nodes, &batch.output)?, // [n_graphs, ..]
            ReadNodes::Mean { nodes: read, share } => {
                carried(nodes, read, batch.output.len())?.broadcast_mul(share)?
            }
        };
        side_by_side(&read, self.n_cells)
    }

    /// What the attention of a layer sees of each operation: `[n_gated, operation_dim (+ n_metrics)]`.
    fn seen(&self, operations: &Tensor, batch: &GraphBatch) -> Result<Tensor> {
        match (&self.symmetry, &batch.symmetry) {
            (Symmetry::Concat, Some(saliencies)) => Tensor::cat(&[operations, saliencies], 1),
            _ => Ok(operations.clone()),
        }
    }
}

impl Encode for TaGates {
    fn dim(&self) -> usize {
        self.n_cells * last(&self.cfg.forward_dims)
    }

    fn embed(&self, inputs: &[Input<'_>], noise: &mut Noise<'_>, padding: Padding) -> Result<Vec<Tensor>> {
        let mut batch = GraphBatch::new(inputs, &self.cfg, noise, padding, self.dtype, &self.device)?;
        if let (Some(scale), Some(saliencies)) = (&self.saliency_scale, &batch.symmetry) {
            batch.symmetry = Some(scale.rows(saliencies, &batch.is_parametrised)?);
        }
        self.forward(&batch)
    }
}

impl Symmetry {
    fn new(cfg: &TaGatesConfig, vb: &VarBuilder) -> Result<Self> {
        Ok(match cfg.symmetry_breaking {
            SymmetryBreaking::None => Self::None,
            SymmetryBreaking::Random { scale } => Self::Random { scale },
            SymmetryBreaking::Add { n_metrics, beta } => {
                let dims = [SALIENCY_DIMS[0], SALIENCY_DIMS[1], cfg.operation_dim];
                Self::Add { embedding: Mlp::new(n_metrics, &dims, &vb.pp("param_zs_embedder"))?, beta }
            }
            SymmetryBreaking::Concat { .. } => Self::Concat,
        })
    }

    /// The embeddings operations start with: `[n_gated, operation_dim]`.
    fn broken(&self, operations: Tensor, batch: &GraphBatch) -> Result<Tensor> {
        match (self, &batch.symmetry) {
            (Self::Random { scale }, Some(noise)) => operations + (noise * *scale)?,
            (Self::Add { embedding, beta }, Some(saliencies)) => {
                operations + (saliencies.apply(embedding)? * *beta)?
            }
            // A batch without a single edge has nothing to break.
            (Self::None | Self::Concat, _) | (_, None) => Ok(operations),
        }
    }
}

impl Update {
    fn new(
        cfg: &TaGatesConfig,
        space: &SearchSpace,
        n_updates: usize,
        seen_dim: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let (forward_dim, backward_dim) = (last(&cfg.forward_dims), last(&cfg.backward_dims));
        let n_inputs = cfg.operation_dim + forward_dim + backward_dim;
        let update_dims = [cfg.update_dims.as_slice(), &[cfg.operation_dim]].concat();
        let start_dim = last(&cfg.conversion_dims);
        let n_cells = space.cells.len();
        let conversion_dims: Vec<usize> = cfg.conversion_dims.iter().map(|dim| dim * n_cells).collect();
        let backward_dims = &cfg.backward_dims;
        Ok(Self {
            n_updates,
            n_cells,
            placement: space.placement,
            conversion: Mlp::new(forward_dim * n_cells, &conversion_dims, &vb.pp("fb_conversion"))?,
            backward: Stack::new(space.placement, start_dim, backward_dims, seen_dim, &vb.pp("b_gcns"))?,
            mlp: Mlp::new(n_inputs, &update_dims, &vb.pp("updateop_embedder"))?,
            scale: cfg.update_scale,
            input: cfg.update_input,
            mask: cfg.update_mask,
        })
    }

    /// Sends the converted output information back through the transposed graph, all other nodes
    /// starting from zero. The output nodes of an architecture's cells are converted together.
    fn backward_pass(&self, forward: &Flow, seen: &Tensor, batch: &GraphBatch) -> Result<Flow> {
        let (n_nodes, _) = forward.nodes.dims2()?;
        let spread = |rows: &Tensor| carried(rows, &batch.into_output, n_nodes);
        let output = picked(&forward.nodes, &batch.output)?; // [n_graphs, ..]
        let converted = side_by_side(&output, self.n_cells)?.apply(&self.conversion)?;
        let (n_architectures, dim) = converted.dims2()?;
        let start = converted.reshape((n_architectures * self.n_cells, dim / self.n_cells))?;
        self.backward.flow(&start, spread, seen, &batch.backward)
    }

    /// The embeddings after one step of the optimiser that the encoder imitates.
    ///
    /// Gradients flow through the backward information and the path around the MLP only, as in all
    /// published configurations.
    fn updated(
        &self,
        operations: &Tensor,
        forward: &Flow,
        backward: &Flow,
        batch: &GraphBatch,
    ) -> Result<Tensor> {
        let (forward, backward) = match self.input {
            UpdateInput::Messages => {
                match (forward.messages(&batch.forward)?, backward.messages(&batch.backward)?) {
                    (Some(forward), Some(backward)) => (forward, backward),
                    _ => candle_core::bail!("operations on nodes carry no messages"),
                }
            }
            UpdateInput::Nodes if self.placement == Placement::Node => {
                (forward.nodes.clone(), backward.nodes.clone())
            }
            UpdateInput::Nodes => (
                picked(&forward.nodes, &batch.backward.gated_source)?,
                picked(&backward.nodes, &batch.forward.gated_source)?,
            ),
        };
        let inputs = Tensor::cat(&[&operations.detach(), &forward.detach(), &backward], 1)?;
        let update = (self.mlp.forward(&inputs)? * self.scale)?;
        operations
            + match self.mask {
                UpdateMask::Parametrised => update.broadcast_mul(&batch.is_parametrised)?,
                UpdateMask::All => update,
            }
    }
}

/// The width after a stack.
fn last(dims: &[usize]) -> usize {
    dims.last().copied().expect("validated: a stack has a layer")
}
