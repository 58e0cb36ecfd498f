//! What a search space is, as data: operations and their roles, where they sit, cells.

mod validation;

use serde::Deserialize;

pub use self::validation::DefinitionError;
use self::validation::Fields;
use crate::space::OperationIndex;
use crate::space::notation::Notation;
use crate::space::skeleton::Skeleton;

/// What an operation is to the method, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The name the notation uses.
    pub name: String,
    /// What it is to the method.
    pub role: Role,
}

/// Whether operations sit on the nodes or on the edges of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// Operations on edges: nodes add up what arrives.
    Edge,
    /// Operations on nodes: edges only connect.
    Node,
}

/// The frame of one cell, to be filled by architectures.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellShape {
    /// `cell`, or `normal` and `reduce`.
    pub name: String,
    /// Nodes at most, inputs and output included; the output is the last node.
    pub n_nodes: usize,
    /// How many of the first nodes are inputs.
    pub n_inputs: usize,
}

/// A search space. A registered definition is immutable.
///
/// It can only be made by reading a definition, which checks it: names are plain and unique, sizes
/// bounded, and notation and skeleton fit the cells and operations.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
    /// How architectures are written.
    pub(in crate::space) notation: Notation,
    /// The network the cells are stacked into, where one is known.
    pub(in crate::space) skeleton: Option<Skeleton>,
}

impl SearchSpace {
    /// The operation an index of this space stands for.
    pub(in crate::space) fn operation(&self, index: OperationIndex) -> &Operation {
        &self.operations[index.0]
    }

    /// The operation of this name.
    #[must_use]
    pub fn operation_named(&self, name: &str) -> Option<OperationIndex> {
        self.operations.iter().position(|operation| operation.name == name).map(OperationIndex)
    }
}
