//! One network of a search space, as it was written.

use std::fmt;
use std::sync::Arc;

use crate::space::{CellShape, Placement, SearchSpace};

/// Position of an operation in [`SearchSpace::operations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationIndex(pub usize);

/// A directed edge of a cell. It carries an operation exactly where the space places operations
/// on edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    /// The node the edge leaves.
    pub source: usize,
    /// The node the edge enters, always larger than `source`.
    pub target: usize,
    /// What is computed on the way, `None` where operations sit on nodes.
    pub operation: Option<OperationIndex>,
}

/// The graph of one cell, in written order: input nodes first, the output node last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Nodes in the cell, inputs and output included.
    pub n_nodes: usize,
    /// One operation per inner node, empty where operations sit on edges: inputs and output have none.
    pub node_operations: Vec<OperationIndex>,
    /// The edges in the order the notation writes them, `none` edges included; where operations sit on nodes,
    /// ascending in source, then in target.
    pub edges: Vec<Edge>,
}

impl Cell {
    /// The operations as written: one per edge where operations sit on edges, else one per inner node.
    pub fn operations(&self) -> impl Iterator<Item = OperationIndex> {
        let on_edges = self.edges.iter().filter_map(|edge| edge.operation);
        self.node_operations.iter().copied().chain(on_edges)
    }

    /// Places where an operation may sit, each a row of [`Saliencies`](crate::space::Saliencies): the edges as
    /// written, or all nodes, inputs and output included.
    #[must_use]
    pub fn n_places(&self, placement: Placement) -> usize {
        match placement {
            Placement::Edge => self.edges.len(),
            Placement::Node => self.n_nodes,
        }
    }

    /// The operation on a node, if it has one.
    #[must_use]
    pub fn node_operation(&self, shape: &CellShape, node: usize) -> Option<OperationIndex> {
        self.node_operations.get(node.checked_sub(shape.n_inputs)?).copied()
    }
}

/// An architecture as written: this is what is stored, encoded and trained on.
///
/// It can only be made by its [`SearchSpace`] (parsed, built from a graph, sampled), so holding
/// one means that it is valid.
#[derive(Clone)]
pub struct Architecture {
    space: Arc<SearchSpace>,
    cells: Vec<Cell>,
    text: Arc<str>,
}

impl Architecture {
    /// Puts together what the space has validated.
    pub(in crate::space) fn from_valid(
        space: Arc<SearchSpace>,
        cells: Vec<Cell>,
        text: impl Into<Arc<str>>,
    ) -> Self {
        Self { space, cells, text: text.into() }
    }

    /// The space the architecture belongs to.
    #[must_use]
    pub fn space(&self) -> &Arc<SearchSpace> {
        &self.space
    }

    /// The cells, in the space's order.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The operations as written, cell after cell: one per edge where operations sit on edges, else
    /// one per inner node.
    pub fn operations(&self) -> impl Iterator<Item = OperationIndex> {
        self.cells.iter().flat_map(Cell::operations)
    }

    /// Rows its [`Saliencies`](crate::space::Saliencies) have: see [`Cell::n_places`].
    #[must_use]
    pub fn n_places(&self) -> usize {
        self.cells.iter().map(|cell| cell.n_places(self.space.placement)).sum()
    }

    /// The architecture in the space's own notation.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Two architectures are equal when they are written the same in the same space.
impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        self.space.name == other.space.name && self.text == other.text
    }
}

impl Eq for Architecture {}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.space.name, self.text)
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
