//! The line-graph GCN baseline: convolutions over the edges of a cell, which carry the operations. An edge reads those
//! that enter the node it leaves; the mean of all is read.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::model::encoder::convolution::Convolutions;
use crate::model::encoder::edges::{Edges, Ends};
use crate::model::encoder::{Encode, Noise, Padding, carried, picked, seen, side_by_side};
use crate::model::{GcnConfig, Input};
use crate::space::{Cell, Placement, SearchSpace};

/// Convolutions over edges.
#[derive(Debug)]
pub struct LineGcn {
    n_cells: usize,
    dim: usize,
    dtype: DType,
    device: Device,
    operations: Tensor,
    convolutions: Convolutions,
}

/// The line graphs of many cells side by side.
#[derive(Default)]
struct LineGraphs {
    operation: Vec<u32>,
    graph: Vec<u32>,
    share: Vec<f64>,
    edges: Ends,
}

/// Checks that edges of `space` have operations.
pub fn check(space: &SearchSpace) -> std::result::Result<(), String> {
    match space.placement {
        Placement::Edge => Ok(()),
        Placement::Node => Err(format!("its vertices are edges, {} has its operations on nodes", space.name)),
    }
}

impl LineGcn {
    /// An encoder for `space`, its tensors named as published.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(cfg: &GcnConfig, space: &SearchSpace, vb: &VarBuilder) -> Result<Self> {
        let shape = (space.operations.len(), cfg.operation_dim);
        Ok(Self {
            n_cells: space.cells.len(),
            dim: cfg.dims.last().copied().expect("validated: a stack has a layer"),
            dtype: vb.dtype(),
            device: vb.device().clone(),
            operations: vb.get_with_hints(shape, "op_emb.weight", Init::Randn { mean: 0.0, stdev: 1.0 })?,
            convolutions: Convolutions::new(cfg.operation_dim, cfg, vb)?,
        })
    }
}

impl Encode for LineGcn {
    fn dim(&self) -> usize {
        self.n_cells * self.dim
    }

    fn embed(&self, inputs: &[Input<'_>], _: &mut Noise<'_>, padding: Padding) -> Result<Vec<Tensor>> {
        let mut graphs = LineGraphs::default();
        for input in padding.fill(inputs) {
            let space = input.architecture.space();
            for (shape, cell) in space.cells.iter().zip(input.architecture.cells()) {
                graphs.push(&seen(space, shape, cell));
            }
        }
        let n_graphs = graphs.share.len();
        let share = Tensor::from_vec(graphs.share, (n_graphs, 1), &self.device)?.to_dtype(self.dtype)?;
        let vertices = picked(&self.operations, &Edges::picking(graphs.operation, &self.device)?)?;
        let vertices = self.convolutions.forward(&vertices, &Edges::new(graphs.edges, &self.device)?)?;
        let source = (0..graphs.graph.len() as u32).collect();
        let read = Edges::new(Ends { source, target: graphs.graph }, &self.device)?;
        let read = carried(&vertices, &read, n_graphs)?.broadcast_mul(&share)?;
        Ok(vec![side_by_side(&read, self.n_cells)?])
    }
}

impl LineGraphs {
    fn push(&mut self, cell: &Cell) {
        let first = self.operation.len() as u32;
        for (i, edge) in cell.edges.iter().enumerate() {
            let operation = edge.operation.expect("checked: edges have operations");
            self.operation.push(operation.0 as u32);
            self.graph.push(self.share.len() as u32);
            for (j, earlier) in cell.edges.iter().enumerate() {
                if earlier.target == edge.source {
                    self.edges.push(first + j as u32, first + i as u32);
                }
            }
        }
        self.share.push(1.0 / cell.edges.len().max(1) as f64);
    }
}
