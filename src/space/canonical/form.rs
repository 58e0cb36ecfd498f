//! What cells compute, as a graph of operations that read sums of others.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::space::{OperationIndex, SearchSpace};

/// What a vertex stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// An input of the cell, by number.
    Input(usize),
    /// One instance of an operation.
    Operation(OperationIndex),
    /// A sum that the output keeps apart from its other parts.
    Part,
    /// The output of the cell.
    Output,
}

/// A vertex and the sum it reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vertex {
    /// What computes here.
    pub label: Label,
    /// The vertices that are summed up for it, and how many times each.
    pub sum: BTreeMap<usize, u64>,
}

impl Vertex {
    pub(super) fn is_input(&self) -> bool {
        matches!(self.label, Label::Input(_))
    }
}

/// The canonical graphs of an architecture's cells.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    space: Arc<SearchSpace>,
    cells: Vec<Vec<Vertex>>,
}

impl Form {
    pub(super) fn new(space: Arc<SearchSpace>, cells: Vec<Vec<Vertex>>) -> Self {
        Self { space, cells }
    }

    pub(super) fn space(&self) -> &SearchSpace {
        &self.space
    }

    /// The vertices of each cell: inputs first, the output last, none before those it reads.
    #[must_use]
    pub fn cells(&self) -> &[Vec<Vertex>] {
        &self.cells
    }
}

/// As `input0; nor_conv_3x3(0); output(2*0+1) / ..`: one vertex after the other, cells apart by `/`.
/// Ids are hashes of this text, so a change of it raises their version.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, cell) in self.cells.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { " / " })?;
            for (index, vertex) in cell.iter().enumerate() {
                f.write_str(if index == 0 { "" } else { "; " })?;
                self.write_vertex(f, vertex)?;
            }
        }
        Ok(())
    }
}

impl Form {
    fn write_vertex(&self, f: &mut fmt::Formatter<'_>, vertex: &Vertex) -> fmt::Result {
        match vertex.label {
            Label::Input(number) => return write!(f, "input{number}"),
            Label::Operation(index) => write!(f, "{}(", self.space.operation(index).name)?,
            Label::Part => f.write_str("part(")?,
            Label::Output => f.write_str("output(")?,
        }
        for (index, (term, times)) in vertex.sum.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "+" })?;
            match times {
                1 => write!(f, "{term}")?,
                _ => write!(f, "{times}*{term}")?,
            }
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.space.name)
    }
}
