//! The nodes, edges and operations of many architectures, collected row by row.

use crate::model::encoder::Noise;
use crate::model::encoder::edges::Ends;
use crate::model::{Encodes, Input, SymmetryBreaking, TaGatesConfig, naming};
use crate::space::{Cell, DeadNodes, OperationIndex, Placement, Role, SearchSpace};

/// The rows of all graphs: see [`GraphBatch`](super::graph_batch::GraphBatch).
#[derive(Default)]
pub struct Rows {
    pub start_row: Vec<u32>,
    pub inputs: Vec<u32>,
    pub outputs: Vec<u32>,
    pub read_node: Vec<u32>,
    pub read_graph: Vec<u32>,
    pub read_share: Vec<f64>,
    pub gated: Ends,
    pub skips: Ends,
    pub operation: Vec<u32>,
    pub is_parametrised: Vec<f64>,
    pub symmetry: Vec<f64>,
}

/// What breaks the symmetry of each place of an architecture where an operation may sit: an edge as written, or a
/// node.
struct Symmetry {
    dim: usize,
    values: Vec<f64>,
}

impl Rows {
    /// Adds the cells of an architecture.
    pub fn push(&mut self, input: &Input<'_>, cfg: &TaGatesConfig, noise: &mut Noise<'_>) {
        let space = &**input.architecture.space();
        let symmetry = Symmetry::new(input, cfg, noise);
        let (mut n_places, mut n_operations) = (0, 0);
        let representatives = match cfg.encodes {
            Encodes::Written => Vec::new(),
            Encodes::Representative => input.architecture.canonical().representatives(),
        };
        for (index, cell) in input.architecture.cells().iter().enumerate() {
            match representatives.get(index) {
                None => self.push_cell(space, index, cell, |place| symmetry.row(Some(n_places + place))),
                Some(representative) => {
                    let n_inputs = space.cells[index].n_inputs;
                    let written = |operation: usize| representative.written[operation];
                    let last = representative.cell.n_nodes - 1;
                    let place_of = |place: usize| match space.placement {
                        Placement::Edge => written(place),
                        Placement::Node if place < n_inputs => Some(n_places + place),
                        Placement::Node if place == last => Some(n_places + cell.n_nodes - 1),
                        Placement::Node => {
                            written(place - n_inputs).map(|it| n_places + n_inputs + it - n_operations)
                        }
                    };
                    self.push_cell(space, index, &representative.cell, |place| symmetry.row(place_of(place)));
                }
            }
            n_places += cell.n_places(space.placement);
            n_operations += cell.operations().count();
        }
    }

    /// Adds the graph of a cell, `symmetry` telling what belongs to the operation at a place.
    fn push_cell<'a>(
        &mut self,
        space: &SearchSpace,
        index: usize,
        cell: &Cell,
        symmetry: impl Fn(usize) -> &'a [f64],
    ) {
        let shape = &space.cells[index];
        let role = |operation: OperationIndex| space.operations[operation.0].role;
        let takes_part = nodes_that_take_part(space, index, cell);
        let rows = self.push_nodes(space, index, &takes_part);

        if space.placement == Placement::Node {
            for (node, _) in takes_part.iter().enumerate().filter(|(_, takes_part)| **takes_part) {
                let operation = cell.node_operation(shape, node);
                let row = match operation {
                    Some(operation) => operation.0 as u32,
                    None if node < shape.n_inputs => naming::input_operation_row(space),
                    None => naming::output_operation_row(space),
                };
                let is_parametrised = operation.is_some_and(|it| role(it) == Role::Parametrised);
                self.push_operation(row, is_parametrised, symmetry(node));
            }
        }
        for (place, edge) in cell.edges.iter().enumerate() {
            let (Some(source), Some(target)) = (rows[edge.source], rows[edge.target]) else { continue };
            match edge.operation.map(|operation| (operation, role(operation))) {
                Some((_, Role::None)) => {}
                Some((_, Role::Skip)) => self.skips.push(source, target),
                Some((operation, role)) => {
                    self.gated.push(source, target);
                    let is_parametrised = role == Role::Parametrised;
                    self.push_operation(operation.0 as u32, is_parametrised, symmetry(place));
                }
                None => self.gated.push(source, target),
            }
        }
    }

    /// Adds the nodes of a cell that take part, and returns the row of each. Inputs come first, the output last.
    fn push_nodes(&mut self, space: &SearchSpace, index: usize, takes_part: &[bool]) -> Vec<Option<u32>> {
        let shape = &space.cells[index];
        let graph = self.outputs.len() as u32;
        let mut rows = Vec::with_capacity(takes_part.len());
        for (node, takes_part) in takes_part.iter().enumerate() {
            let row = self.start_row.len() as u32;
            rows.push(takes_part.then_some(row));
            if !takes_part {
                continue;
            }
            self.start_row.push(naming::start_row(space, index, node));
            if node < shape.n_inputs {
                self.inputs.push(row);
            } else {
                self.read_node.push(row);
                self.read_graph.push(graph);
            }
        }
        self.outputs.push(self.start_row.len() as u32 - 1);
        self.read_share.push(1.0 / (shape.n_nodes - shape.n_inputs) as f64);
        rows
    }

    fn push_operation(&mut self, row: u32, is_parametrised: bool, symmetry: &[f64]) {
        self.operation.push(row);
        self.is_parametrised.push(f64::from(u8::from(is_parametrised)));
        self.symmetry.extend(symmetry);
    }

    /// Adds an architecture of inputs and outputs with two edges between them.
    pub fn push_filler(&mut self, space: &SearchSpace, cfg: &TaGatesConfig) {
        let symmetry = vec![0.0; symmetry_dim(cfg)];
        for (index, shape) in space.cells.iter().enumerate() {
            let rows = self.push_nodes(space, index, &vec![true; shape.n_inputs + 1]);
            let row = |node: usize| rows[node].expect("every node takes part");
            let n_operations = match space.placement {
                Placement::Edge => 2,
                Placement::Node => rows.len(),
            };
            for _ in 0..2 {
                self.gated.push(row(0), row(shape.n_inputs));
            }
            for _ in 0..n_operations {
                self.push_operation(0, false, &symmetry);
            }
        }
    }
}

/// Which nodes of a cell encoders see: not those the space prunes, nor those without connection. Inputs and
/// output always.
pub fn nodes_that_take_part(space: &SearchSpace, index: usize, cell: &Cell) -> Vec<bool> {
    let shape = &space.cells[index];
    let is_end = |node: usize| node < shape.n_inputs || node + 1 == cell.n_nodes;
    match space.dead_nodes {
        DeadNodes::Pruned => {
            let live = space.liveness(shape, cell).nodes;
            live.iter().enumerate().map(|(node, is_live)| *is_live || is_end(node)).collect()
        }
        DeadNodes::Kept => {
            let connects = |operation: OperationIndex| space.operations[operation.0].role != Role::None;
            (0..cell.n_nodes).map(|node| cell.node_operation(shape, node).is_none_or(connects)).collect()
        }
    }
}

impl Symmetry {
    fn new(input: &Input<'_>, cfg: &TaGatesConfig, noise: &mut Noise<'_>) -> Self {
        let dim = symmetry_dim(cfg);
        let values = match (cfg.symmetry_breaking, input.saliencies) {
            (SymmetryBreaking::Random { .. }, _) => noise(input, input.architecture.n_places() * dim),
            (SymmetryBreaking::Add { .. } | SymmetryBreaking::Concat { .. }, Some(saliencies)) => (0
                ..saliencies.n_operations())
                .flat_map(|place| saliencies.operation(place))
                .copied()
                .collect(),
            (_, _) => Vec::new(),
        };
        // What belongs to no place, as an identity that a representative needs, has zeros.
        Self { dim, values: [values, vec![0.0; dim]].concat() }
    }

    fn row(&self, place: Option<usize>) -> &[f64] {
        let start = place.map_or(self.values.len() - self.dim, |place| place * self.dim);
        &self.values[start..][..self.dim]
    }
}

/// How many numbers break the symmetry of one operation.
fn symmetry_dim(cfg: &TaGatesConfig) -> usize {
    match cfg.symmetry_breaking {
        SymmetryBreaking::None => 0,
        SymmetryBreaking::Random { .. } => cfg.operation_dim,
        SymmetryBreaking::Add { n_metrics, .. } | SymmetryBreaking::Concat { n_metrics } => n_metrics,
    }
}
