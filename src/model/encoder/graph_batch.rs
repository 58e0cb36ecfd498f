//! Architectures as the tensors that TA-GATES reads: all graphs of a batch side by side in one
//! edge list, so that a layer is a product, a gather and a scatter whatever the graphs look like.

use candle_core::{DType, Device, Result, Tensor};

use crate::model::encoder::edges::{Edges, Ends};
use crate::model::encoder::graph_rows::Rows;
use crate::model::encoder::{Noise, Padding};
use crate::model::{Input, TaGatesConfig};
use crate::space::ReadOut;

/// A batch of graphs, one for each cell of each architecture. What connects nothing (role `none`), and what the
/// space prunes, is left out. There is an operation for each gated edge, or, where operations sit on nodes, for
/// each node.
#[derive(Debug)]
pub struct GraphBatch {
    /// From the row of the start table that each node begins with.
    pub start: Edges,
    /// From the output node of each graph, and back to it.
    pub output: Edges,
    pub into_output: Edges,
    /// Which nodes the encoding is read from.
    pub read: ReadNodes,
    /// From the row of the operation table of each operation.
    pub operation: Edges,
    /// 1 where the operation has trained weights, else 0: `[n_operations, 1]`.
    pub is_parametrised: Tensor,
    /// What breaks the symmetry between operations of a kind: saliencies `[n_operations, n_metrics]` or
    /// noise `[n_operations, operation_dim]`.
    pub symmetry: Option<Tensor>,
    /// The way information flows.
    pub forward: Direction,
    /// The same edges turned round, in the same order.
    pub backward: Direction,
}

/// Which nodes the encoding of each graph is read from.
#[derive(Debug)]
pub enum ReadNodes {
    /// The output nodes.
    Output,
    /// The sum of several, times a share.
    Mean {
        /// From the nodes that are read to their graph.
        nodes: Edges,
        /// For each graph: `[n_graphs, 1]`.
        share: Tensor,
    },
}

/// The edges of a batch in one direction.
#[derive(Clone, Debug)]
pub struct Direction {
    /// Edges whose load is gated: by their own operation, or by that of the node they enter.
    pub gated: Edges,
    /// From the source of each gated edge.
    pub gated_source: Edges,
    /// Edges that carry everything, whatever the attention says: skips, and a loop at each node where
    /// information starts in this direction. All other nodes have no self term.
    pub open: Edges,
}

impl GraphBatch {
    /// Lays out `inputs`, which the model has checked, for a model of configuration `cfg`.
    ///
    /// # Errors
    /// When a tensor cannot be made on `device`.
    pub fn new(
        inputs: &[Input<'_>],
        cfg: &TaGatesConfig,
        noise: &mut Noise<'_>,
        padding: Padding,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let mut rows = Rows::default();
        for input in inputs {
            rows.push(input, cfg, noise);
        }
        let space = inputs.first().map(|input| input.architecture.space());
        if let (Padding::Filler, Some(space)) = (padding, space) {
            rows.push_filler(space, cfg);
        }
        let read_out = space.map_or(ReadOut::Output, |space| cfg.read_out(space));
        Self::from_rows(rows, read_out, dtype, device)
    }

    fn from_rows(rows: Rows, read_out: ReadOut, dtype: DType, device: &Device) -> Result<Self> {
        let n_operations = rows.operation.len();
        let column = |values: Vec<f64>| {
            let n_values = values.len();
            Tensor::from_vec(values, (n_values, 1), device)?.to_dtype(dtype)
        };
        let symmetry = match rows.symmetry.len() {
            0 => None,
            n_values => {
                let shape = (n_operations, n_values / n_operations);
                Some(Tensor::from_vec(rows.symmetry, shape, device)?.to_dtype(dtype)?)
            }
        };
        let gated_source = |ends: &Ends| Edges::picking(ends.source.clone(), device);
        let gated = Edges::new(rows.gated, device)?;
        let forward = Direction {
            gated_source: gated_source(&gated.ends)?,
            gated,
            open: Edges::new(rows.skips.clone().with_loops(&rows.inputs), device)?,
        };
        let gated = forward.gated.reversed();
        let backward = Direction {
            gated_source: gated_source(&gated.ends)?,
            gated,
            open: Edges::new(rows.skips.reversed().with_loops(&rows.outputs), device)?,
        };
        let read = match read_out {
            ReadOut::Output => ReadNodes::Output,
            ReadOut::MeanOfNodes => ReadNodes::Mean {
                nodes: Edges::new(Ends { source: rows.read_node, target: rows.read_graph }, device)?,
                share: column(rows.read_share)?,
            },
        };
        let output = Edges::picking(rows.outputs, device)?;
        Ok(Self {
            start: Edges::picking(rows.start_row, device)?,
            into_output: output.reversed(),
            output,
            read,
            operation: Edges::picking(rows.operation, device)?,
            is_parametrised: column(rows.is_parametrised)?,
            symmetry,
            forward,
            backward,
        })
    }
}
