//! What a search space is, as data: operations and their roles, where they sit, cells.

mod custom;
mod validation;

use serde::{Deserialize, Serialize};

pub use self::custom::Definition;
use self::validation::Fields;
pub use self::validation::{DefinitionError, MAX_NAME_BYTES};
use crate::space::notation::Notation;
use crate::space::skeleton::Skeleton;
use crate::space::{Edge, OperationIndex};

/// What an operation is to the method, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Has trained weights, as a convolution: its embedding is updated over the time steps.
    Parametrised,
    /// Computes something without weights, as a pooling.
    Free,
    /// The identity: passes information on unchanged.
    Skip,
    /// No connection at all.
    None,
}

/// One operation of a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The name the notation uses.
    pub name: String,
    /// What it is to the method.
    pub role: Role,
}

/// Whether operations sit on the nodes or on the edges of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Operations on edges: nodes add up what arrives.
    Edge,
    /// Operations on nodes: edges only connect.
    Node,
}

/// Which edges a cell has. Parallel edges and missing ones are told by this alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wiring {
    /// One from every node to every later one that is no input: grouped by target, then by source. What is no
    /// connection is written as an operation.
    Complete,
    /// Any, at most one from a node to another.
    Free {
        /// How many at most, those without a path from input to output not counted where they are pruned.
        max_edges: usize,
    },
    /// So many into every inner node, grouped by target in the order they are chosen in; then those into the
    /// output, ascending in source, which follow from the others and carry the space's first skip.
    PerNode(PerNode),
}

/// What every inner node of a cell reads, and what its output does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerNode {
    /// Edges into each inner node.
    pub n_edges: usize,
    /// Whether two of a node's edges may come from the same source.
    pub may_repeat: bool,
    /// Which nodes the output reads.
    pub output: OutputEdges,
}

/// Which nodes the output of a cell reads where an architecture does not choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputEdges {
    /// Every inner node.
    InnerNodes,
    /// Every inner node that no other inner node reads.
    LooseEnds,
}

/// What the output node makes of what arrives. All other nodes add it up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// Adds it up.
    #[default]
    Sum,
    /// Keeps it apart: two sums are not the sum of both.
    Concatenation,
}

/// What happens to nodes without a path from an input to the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadNodes {
    /// They are part of the network, as in a benchmark that trains them.
    #[default]
    Kept,
    /// They are removed before anything is trained, so predictors do not see them, and a cell without any path
    /// is no cell of the space.
    Pruned,
}

/// Where the encoding of a cell is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadOut {
    /// At the output node.
    #[default]
    Output,
    /// The sum over all nodes but the inputs, divided by how many of those a cell has at most.
    MeanOfNodes,
}

/// The frame of one cell, to be filled by architectures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellShape {
    /// `cell`, or `normal` and `reduce`.
    pub name: String,
    /// Nodes at most, inputs and output included; the output is the last node.
    pub n_nodes: usize,
    /// How many of the first nodes are inputs.
    pub n_inputs: usize,
    /// Nodes at least, where cells of several sizes are allowed; else all have `n_nodes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_nodes: Option<usize>,
    /// Whether the cell halves the image: then what leaves an input node is strided, and a skip there is no
    /// identity but trained.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reduces: bool,
}

impl CellShape {
    /// Nodes a cell can have.
    #[must_use]
    pub fn sizes(&self) -> std::ops::RangeInclusive<usize> {
        self.min_nodes.unwrap_or(self.n_nodes)..=self.n_nodes
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A search space. A registered definition is immutable.
///
/// It can only be made from a definition ([`SearchSpace::custom`]) or by reading what is kept of one, which both
/// check it: names are plain and unique, sizes bounded, and notation and skeleton fit the cells and operations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct SearchSpace {
    /// The key in the registry, as `nasbench201`.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Where operations sit.
    pub placement: Placement,
    /// The operations, in the order of their indices.
    pub operations: Vec<Operation>,
    /// The cells of an architecture, in order.
    pub cells: Vec<CellShape>,
    /// Which edges a cell has.
    pub wiring: Wiring,
    /// What the output of a cell makes of what arrives.
    pub output: Join,
    /// What happens to nodes without a path from an input to the output.
    pub dead_nodes: DeadNodes,
    /// Where predictors read their encoding of a cell, unless a configuration says otherwise.
    pub read_out: ReadOut,
    /// How architectures are written.
    pub(in crate::space) notation: Notation,
    /// The network the cells are stacked into, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::space) skeleton: Option<Skeleton>,
}

impl SearchSpace {
    /// The operation an index of this space stands for.
    pub(in crate::space) fn operation(&self, index: OperationIndex) -> &Operation {
        &self.operations[index.0]
    }

    /// The name of the operation that an edge carries.
    ///
    /// # Panics
    /// When it carries none, as where operations sit on nodes, or one of another space.
    #[must_use]
    pub fn operation_of(&self, edge: &Edge) -> &str {
        &self.operation(edge.operation.expect("operations sit on edges")).name
    }

    /// The operation of this name.
    #[must_use]
    pub fn operation_named(&self, name: &str) -> Option<OperationIndex> {
        self.operations.iter().position(|operation| operation.name == name).map(OperationIndex)
    }

    /// What edges into the output carry where an architecture does not choose them: the first skip.
    #[must_use]
    pub fn first_skip(&self) -> Option<OperationIndex> {
        self.first_of(Role::Skip)
    }

    /// What is written where nothing connects: the first none.
    #[must_use]
    pub fn first_none(&self) -> Option<OperationIndex> {
        self.first_of(Role::None)
    }

    fn first_of(&self, role: Role) -> Option<OperationIndex> {
        self.operations.iter().position(|operation| operation.role == role).map(OperationIndex)
    }
}
