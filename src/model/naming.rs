//! How published checkpoints name and shape the embeddings of a space, and where they stand in the tables that
//! encoders look them up in.

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::model::{OtherNode, TaGatesConfig};
use crate::space::{Placement, Role, SearchSpace};

/// Two families of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// One cell with one input node, as NAS-Bench-101 and -201.
    OneCell,
    /// Several cells or input nodes, as DARTS and ENAS.
    Cells,
}

const STANDARD_NORMAL: Init = Init::Randn { mean: 0.0, stdev: 1.0 };

impl Naming {
    /// The family of a space.
    pub fn of(space: &SearchSpace) -> Self {
        match space.cells.as_slice() {
            [cell] if cell.n_inputs == 1 => Self::OneCell,
            _ => Self::Cells,
        }
    }
}

/// Embeddings of several names that are looked up in one table. It is put together anew at each use, so that it
/// follows variables in training.
#[derive(Debug)]
pub struct Table {
    parts: Vec<Tensor>,
    axis: usize,
}

impl Table {
    /// `[n_rows, dim]`.
    pub fn rows(&self) -> Result<Tensor> {
        let joined = match self.parts.as_slice() {
            [only] => only.clone(),
            parts => Tensor::cat(parts, self.axis)?,
        };
        let dim = joined.dim(joined.rank() - 1)?;
        joined.reshape(((), dim))
    }
}

/// The row of [`start_table`] that a node of a cell begins with.
pub fn start_row(space: &SearchSpace, cell: usize, node: usize) -> u32 {
    let n_inputs = max_inputs(space);
    let within = if node < space.cells[cell].n_inputs { node } else { n_inputs };
    (cell * (n_inputs + 1) + within) as u32
}

/// The row of [`operation_table`] of what input nodes compute, where operations sit on nodes.
pub fn input_operation_row(space: &SearchSpace) -> u32 {
    space.operations.len() as u32
}

/// The row of [`operation_table`] of what the output node computes, where operations sit on nodes.
pub fn output_operation_row(space: &SearchSpace) -> u32 {
    space.operations.len() as u32 + 1
}

/// What nodes begin with before the first linear layer: for each cell its inputs, then all other nodes,
/// `[n_cells * (n_inputs + 1), node_dim]`.
pub fn start_table(cfg: &TaGatesConfig, space: &SearchSpace, vb: &VarBuilder) -> Result<Table> {
    let other = |shape: &[usize]| {
        let embedding = vb.get_with_hints(shape, "other_node_emb", Init::Const(0.0))?;
        Ok::<_, candle_core::Error>(match cfg.other_node {
            OtherNode::Zero => embedding.detach(),
            OtherNode::Trained => embedding,
        })
    };
    match Naming::of(space) {
        Naming::OneCell => {
            let input = vb.get_with_hints((1, cfg.node_dim), "input_node_emb.weight", STANDARD_NORMAL)?;
            Ok(Table { parts: vec![input, other(&[1, cfg.node_dim])?], axis: 0 })
        }
        Naming::Cells => {
            let (n_cells, n_inputs) = (space.cells.len(), max_inputs(space));
            let shape = (n_cells, n_inputs, cfg.node_dim);
            let inputs = vb.get_with_hints(shape, "init_node_emb", STANDARD_NORMAL)?;
            Ok(Table { parts: vec![inputs, other(&[n_cells, 1, cfg.node_dim])?], axis: 1 })
        }
    }
}

/// The embeddings operations begin with, `[n_operations, operation_dim]`; where operations sit on nodes, two
/// more for what inputs and output compute.
pub fn operation_table(cfg: &TaGatesConfig, space: &SearchSpace, vb: &VarBuilder) -> Result<Table> {
    let (n_operations, dim) = (space.operations.len(), cfg.operation_dim);
    if Naming::of(space) == Naming::Cells && space.placement == Placement::Edge {
        let rows = space.operations.iter().enumerate().map(|(index, operation)| {
            let name = format!("op_embedding_{index}");
            let row = match operation.role {
                // No gate reads these.
                Role::None | Role::Skip => vb.get_with_hints(dim, &name, Init::Const(0.0))?.detach(),
                Role::Parametrised | Role::Free => vb.get_with_hints(dim, &name, STANDARD_NORMAL)?,
            };
            row.unsqueeze(0)
        });
        return Ok(Table { parts: rows.collect::<Result<_>>()?, axis: 0 });
    }
    let operations = vb.get_with_hints((n_operations, dim), "op_emb.weight", STANDARD_NORMAL)?;
    match space.placement {
        Placement::Edge => Ok(Table { parts: vec![operations], axis: 0 }),
        Placement::Node => {
            let input = vb.get_with_hints((1, dim), "input_op_emb", Init::Const(0.0))?.detach();
            let output = vb.get_with_hints((1, dim), "output_op_emb.weight", STANDARD_NORMAL)?;
            Ok(Table { parts: vec![operations, input, output], axis: 0 })
        }
    }
}

fn max_inputs(space: &SearchSpace) -> usize {
    space.cells.iter().map(|cell| cell.n_inputs).max().expect("a space has a cell")
}
