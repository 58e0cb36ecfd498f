//! Architectures as the tensors that encoders read: all graphs of a batch side by side in one
//! edge list, so that a layer is a product, a gather and a scatter whatever the graphs look like.

use candle_core::{DType, Device, Result, Tensor};

use crate::model::{Input, ModelConfig, SymmetryBreaking};
use crate::space::{Cell, Role};

/// Row of the start table that input nodes begin with.
pub const INPUT_ROW: u32 = 0;
/// Row of the start table that all other nodes begin with.
pub const OTHER_ROW: u32 = 1;

/// A batch of graphs. Edges that connect nothing (role `none`) are left out.
#[derive(Debug)]
pub struct GraphBatch {
    /// The row of the start table each node begins with: `[n_nodes]`.
    pub start_row: Tensor,
    /// The output node of each graph: `[n_graphs]`.
    pub output: Tensor,
    /// Index of the operation of each gated edge: `[n_gated]`.
    pub operation: Tensor,
    /// 1 where the operation has trained weights, else 0: `[n_gated, 1]`.
    pub is_parametrised: Tensor,
    /// What breaks the symmetry between operations of a kind: saliencies `[n_gated, n_metrics]` or
    /// noise `[n_gated, operation_dim]`.
    pub symmetry: Option<Tensor>,
    /// The way information flows.
    pub forward: Direction,
    /// The same edges turned round, in the same order.
    pub backward: Direction,
}

/// The edges of a batch in one direction.
#[derive(Clone, Debug)]
pub struct Direction {
    /// Edges with an operation, whose attention gates what they carry.
    pub gated: Edges,
    /// Edges that carry everything, whatever the attention says: skips, and a loop at each node where
    /// information starts in this direction. All other nodes have no self term.
    pub open: Edges,
}

/// Where edges leave and enter.
#[derive(Clone, Debug)]
pub struct Edges {
    /// The node each edge leaves: `[n_edges]`.
    pub source: Tensor,
    /// The node each edge enters: `[n_edges]`.
    pub target: Tensor,
}

/// The rows of all graphs, as they are collected.
#[derive(Default)]
struct Rows {
    start_row: Vec<u32>,
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    gated: Ends,
    skips: Ends,
    operation: Vec<u32>,
    is_parametrised: Vec<f32>,
    symmetry: Vec<f64>,
}

/// Ends of edges, as they are collected.
#[derive(Clone, Default)]
struct Ends {
    source: Vec<u32>,
    target: Vec<u32>,
}

/// Whether a batch gets a graph that nobody asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The batch is what it is.
    None,
    /// One graph with two edges is added at the end, so that no product has fewer than two rows: gemm
    /// adds up a single row in another order, and the score of an architecture would depend on its company.
    Filler,
}

/// Draws noise for an input: as many standard normal values as asked for.
pub type Noise<'a> = dyn FnMut(&Input<'_>, usize) -> Vec<f64> + 'a;

impl GraphBatch {
    /// Lays out `inputs`, which the model has checked, for a model of configuration `cfg`.
    ///
    /// # Errors
    /// When a tensor cannot be made on `device`.
    pub fn new(
        inputs: &[Input<'_>],
        cfg: &ModelConfig,
        noise: &mut Noise<'_>,
        padding: Padding,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let mut rows = Rows::default();
        for input in inputs {
            let shapes = &input.architecture.space().cells;
            for (cell, shape) in input.architecture.cells().iter().zip(shapes) {
                rows.push(input, cell, shape.n_inputs, cfg, noise);
            }
        }
        if padding == Padding::Filler {
            rows.push_filler(symmetry_dim(cfg));
        }
        rows.into_batch(dtype, device)
    }
}

impl Rows {
    fn push(
        &mut self,
        input: &Input<'_>,
        cell: &Cell,
        n_inputs: usize,
        cfg: &ModelConfig,
        noise: &mut Noise<'_>,
    ) {
        let first_node = self.push_nodes(cell.n_nodes, n_inputs);
        let noise_dim = if cfg.symmetry_breaking.n_metrics().is_none() { symmetry_dim(cfg) } else { 0 };
        let noise = noise(input, cell.edges.len() * noise_dim);
        for (i, edge) in cell.edges.iter().enumerate() {
            let operation = edge.operation.expect("checked: the space places operations on edges");
            let role = input.architecture.space().operations[operation.0].role;
            let (source, target) = (row(first_node + edge.source), row(first_node + edge.target));
            match role {
                Role::None => {}
                Role::Skip => self.skips.push(source, target),
                Role::Parametrised | Role::Free => {
                    self.gated.push(source, target);
                    self.operation.push(row(operation.0));
                    self.is_parametrised.push(f32::from(role == Role::Parametrised));
                    self.symmetry.extend(&noise[i * noise_dim..][..noise_dim]);
                    if let (Some(_), Some(saliencies)) = (cfg.symmetry_breaking.n_metrics(), input.saliencies)
                    {
                        self.symmetry.extend(saliencies.operation(i));
                    }
                }
            }
        }
    }

    /// Adds nodes, the last one the output, and returns the row of the first.
    fn push_nodes(&mut self, n_nodes: usize, n_inputs: usize) -> usize {
        let first_node = self.start_row.len();
        for node in 0..n_nodes {
            self.start_row.push(if node < n_inputs { INPUT_ROW } else { OTHER_ROW });
        }
        self.inputs.extend((first_node..first_node + n_inputs).map(row));
        self.outputs.push(row(first_node + n_nodes - 1));
        first_node
    }

    /// Adds two nodes with two edges between them.
    fn push_filler(&mut self, symmetry_dim: usize) {
        let first_node = row(self.push_nodes(2, 1));
        for _ in 0..2 {
            self.gated.push(first_node, first_node + 1);
            self.operation.push(0);
            self.is_parametrised.push(0.0);
        }
        self.symmetry.extend(vec![0.0; 2 * symmetry_dim]);
    }

    fn into_batch(self, dtype: DType, device: &Device) -> Result<GraphBatch> {
        let n_gated = self.operation.len();
        let indices = |values: &[u32]| Tensor::new(values, device);
        let symmetry = match self.symmetry.len() {
            0 => None,
            n_values => Some(
                Tensor::from_vec(self.symmetry, (n_gated, n_values / n_gated), device)?.to_dtype(dtype)?,
            ),
        };
        let forward = Direction {
            gated: self.gated.edges(device)?,
            open: self.skips.clone().with_loops(&self.inputs).edges(device)?,
        };
        let backward = Direction {
            gated: forward.gated.reversed(),
            open: self.skips.reversed().with_loops(&self.outputs).edges(device)?,
        };
        Ok(GraphBatch {
            start_row: indices(&self.start_row)?,
            output: indices(&self.outputs)?,
            operation: indices(&self.operation)?,
            is_parametrised: Tensor::from_vec(self.is_parametrised, (n_gated, 1), device)?.to_dtype(dtype)?,
            symmetry,
            forward,
            backward,
        })
    }
}

impl Ends {
    fn push(&mut self, source: u32, target: u32) {
        self.source.push(source);
        self.target.push(target);
    }

    fn reversed(self) -> Self {
        Self { source: self.target, target: self.source }
    }

    fn with_loops(mut self, nodes: &[u32]) -> Self {
        self.source.extend(nodes);
        self.target.extend(nodes);
        self
    }

    fn edges(&self, device: &Device) -> Result<Edges> {
        let indices = |values: &Vec<u32>| Tensor::new(values.as_slice(), device);
        Ok(Edges { source: indices(&self.source)?, target: indices(&self.target)? })
    }
}

impl Edges {
    fn reversed(&self) -> Self {
        Self { source: self.target.clone(), target: self.source.clone() }
    }
}

/// How many numbers break the symmetry of one operation.
fn symmetry_dim(cfg: &ModelConfig) -> usize {
    match cfg.symmetry_breaking {
        SymmetryBreaking::None => 0,
        SymmetryBreaking::Random { .. } => cfg.operation_dim,
        SymmetryBreaking::Add { n_metrics, .. } | SymmetryBreaking::Concat { n_metrics } => n_metrics,
    }
}

fn row(index: usize) -> u32 {
    u32::try_from(index).expect("a batch has fewer than 2^32 rows")
}
