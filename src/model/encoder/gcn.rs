//! The GCN baseline: convolutions over the nodes of a cell and one more, which reads all of them and is read.
//!
//! Where edges carry the operations and every inner node chooses so many, a node is the concatenation of its
//! operations' embeddings, and the node that is read takes the place of the output.

use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::model::encoder::convolution::Convolutions;
use crate::model::encoder::edges::{Edges, Ends};
use crate::model::encoder::graph_rows::nodes_that_take_part;
use crate::model::encoder::{Encode, Noise, Padding, picked, side_by_side};
use crate::model::{GcnConfig, Input};
use crate::space::{Cell, OperationIndex, PerNode, Placement, Role, SearchSpace, Wiring};

/// Convolutions with a node that is read.
#[derive(Debug)]
pub struct Gcn {
    n_cells: usize,
    dim: usize,
    device: Device,
    embeddings: Embeddings,
    convolutions: Convolutions,
}

/// What nodes begin with: a table in which each is one row, or several side by side.
#[derive(Debug)]
struct Embeddings {
    tables: Vec<Tensor>,
    n_rows_of_node: usize,
    operation_dim: usize,
    /// Of a cell, at most.
    n_inputs: usize,
    first: FirstRows,
}

/// Where the tables stand in one.
#[derive(Clone, Copy, Debug)]
struct FirstRows {
    input: u32,
    output: u32,
    global: u32,
}

/// The nodes and edges of many cells side by side.
#[derive(Default)]
struct Graphs {
    rows: Vec<u32>,
    n_nodes: u32,
    edges: Ends,
    global: Vec<u32>,
}

/// Checks that nodes of `space` have embeddings.
pub fn check(space: &SearchSpace) -> std::result::Result<(), String> {
    match (space.placement, space.wiring) {
        (Placement::Node, _) | (Placement::Edge, Wiring::PerNode { .. }) => Ok(()),
        (Placement::Edge, Wiring::Complete | Wiring::Free { .. }) => Err(format!(
            "its nodes have as many operations each, {} has any number on edges; line_gcn takes them",
            space.name
        )),
    }
}

impl Gcn {
    /// An encoder for `space`. Tensors are named as published, where it was; in spaces with operations on edges as
    /// those of TA-GATES.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(cfg: &GcnConfig, space: &SearchSpace, vb: &VarBuilder) -> Result<Self> {
        let embeddings = Embeddings::new(cfg.operation_dim, space, vb)?;
        let n_inputs = embeddings.n_rows_of_node * cfg.operation_dim;
        Ok(Self {
            n_cells: space.cells.len(),
            dim: cfg.dims.last().copied().expect("validated: a stack has a layer"),
            device: vb.device().clone(),
            embeddings,
            convolutions: Convolutions::new(n_inputs, cfg, vb)?,
        })
    }
}

impl Encode for Gcn {
    fn dim(&self) -> usize {
        self.n_cells * self.dim
    }

    fn embed(&self, inputs: &[Input<'_>], _: &mut Noise<'_>, padding: Padding) -> Result<Vec<Tensor>> {
        let mut graphs = Graphs::default();
        for input in padding.fill(inputs) {
            let space = input.architecture.space();
            for (index, cell) in input.architecture.cells().iter().enumerate() {
                graphs.push(space, index, cell, &self.embeddings);
            }
        }
        let nodes = self.embeddings.nodes(&Edges::picking(graphs.rows, &self.device)?)?;
        let nodes = self.convolutions.forward(&nodes, &Edges::new(graphs.edges, &self.device)?)?;
        let read = picked(&nodes, &Edges::picking(graphs.global, &self.device)?)?;
        Ok(vec![side_by_side(&read, self.n_cells)?])
    }
}

impl Embeddings {
    fn new(operation_dim: usize, space: &SearchSpace, vb: &VarBuilder) -> Result<Self> {
        let drawn = Init::Randn { mean: 0.0, stdev: 1.0 };
        let tensor = |shape: &[usize], name: &str, init: Init| vb.get_with_hints(shape, name, init);
        let n_operations = space.operations.len();
        let n_inputs = space.cells.iter().map(|cell| cell.n_inputs).max().expect("a space has a cell");
        let mut tables = vec![tensor(&[n_operations, operation_dim], "op_emb.weight", drawn)?];
        let n_rows_of_node = match space.wiring {
            Wiring::PerNode(PerNode { n_edges, .. }) if space.placement == Placement::Edge => n_edges,
            _ => 1,
        };
        let dim = n_rows_of_node * operation_dim;
        let n_input_nodes = match space.placement {
            Placement::Node => {
                tables.push(tensor(&[n_inputs, dim], "input_op_emb.weight", drawn)?);
                tables.push(tensor(&[1, dim], "output_op_emb", Init::Const(0.0))?);
                n_inputs
            }
            Placement::Edge => {
                tables.push(tensor(&[space.cells.len(), n_inputs, dim], "init_node_emb", drawn)?);
                space.cells.len() * n_inputs
            }
        };
        tables.push(tensor(&[1, dim], "global_op_emb", Init::Const(0.0))?);
        let input = n_operations as u32;
        let output = input + (n_input_nodes * n_rows_of_node) as u32;
        let global = output + u32::from(space.placement == Placement::Node);
        Ok(Self {
            tables,
            n_rows_of_node,
            operation_dim,
            n_inputs,
            first: FirstRows { input, output, global },
        })
    }

    /// What nodes begin with: `[n_nodes, n_rows_of_node * operation_dim]`.
    fn nodes(&self, rows: &Edges) -> Result<Tensor> {
        let tables = self.tables.iter().map(|table| table.reshape(((), self.operation_dim)));
        let table = Tensor::cat(&tables.collect::<Result<Vec<_>>>()?, 0)?;
        picked(&table, rows)?.reshape(((), self.n_rows_of_node * self.operation_dim))
    }

    /// The rows of a node; none of an output without an operation of its own.
    fn rows(&self, space: &SearchSpace, index: usize, cell: &Cell, node: usize) -> Option<Vec<u32>> {
        let is_output = node + 1 == cell.n_nodes;
        let shape = &space.cells[index];
        match (space.placement, cell.node_operation(shape, node)) {
            (Placement::Node, Some(operation)) => Some(vec![operation.0 as u32]),
            (Placement::Node, None) if is_output => Some(vec![self.first.output]),
            (Placement::Node, None) => Some(self.whole(self.first.input, node)),
            (Placement::Edge, _) if is_output => None,
            (Placement::Edge, _) if node < shape.n_inputs => {
                Some(self.whole(self.first.input, index * self.n_inputs + node))
            }
            (Placement::Edge, _) => {
                let into = cell.edges.iter().filter(|edge| edge.target == node);
                Some(into.filter_map(|edge| edge.operation).map(|operation| operation.0 as u32).collect())
            }
        }
    }

    /// The rows of the `index`-th node of a table that begins at `first`.
    fn whole(&self, first: u32, index: usize) -> Vec<u32> {
        let n_rows = self.n_rows_of_node as u32;
        let start = first + index as u32 * n_rows;
        (start..start + n_rows).collect()
    }
}

impl Graphs {
    fn push_node(&mut self, rows: Vec<u32>) -> u32 {
        self.rows.extend(rows);
        self.n_nodes += 1;
        self.n_nodes - 1
    }

    /// Adds a cell. What the space prunes, and what computes `none`, is left out.
    fn push(&mut self, space: &SearchSpace, index: usize, cell: &Cell, of: &Embeddings) {
        let takes_part = nodes_that_take_part(space, index, cell);
        let nodes: Vec<Option<u32>> = (0..cell.n_nodes)
            .map(|node| of.rows(space, index, cell, node).filter(|_| takes_part[node]))
            .map(|rows| rows.map(|rows| self.push_node(rows)))
            .collect();
        let connects = |operation: OperationIndex| space.operations[operation.0].role != Role::None;
        for edge in cell.edges.iter().filter(|edge| edge.operation.is_none_or(connects)) {
            if let (Some(source), Some(target)) = (nodes[edge.source], nodes[edge.target]) {
                self.edges.push(source, target);
            }
        }
        self.push_global(&nodes, of);
    }

    fn push_global(&mut self, nodes: &[Option<u32>], of: &Embeddings) {
        let global = self.push_node(of.whole(of.first.global, 0));
        for node in nodes.iter().flatten() {
            self.edges.push(*node, global);
        }
        self.global.push(global);
    }
}
