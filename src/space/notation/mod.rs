//! How architectures are written, for those who read and print them.

mod edge_groups;
mod text;

use std::sync::Arc;

use serde::Deserialize;

pub use self::text::ParseError;
use crate::space::{Architecture, Cell, DefinitionError, GraphError, OperationIndex, SearchSpace};

/// A way to write architectures. A definition names it, code knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::space) enum Notation {
    /// `|op~0|+|op~0|op~1|+..`: one cell with every edge there can be, grouped by target.
    EdgeGroups,
}

impl Notation {
    /// Whether every architecture of the space can be written in this way.
    pub(in crate::space) fn check_definition(self, space: &SearchSpace) -> Result<(), DefinitionError> {
        match self {
            Self::EdgeGroups => edge_groups::check_definition(space),
        }
    }

    /// The text of cells that are sound by the space's definition.
    ///
    /// # Errors
    /// When this notation cannot write them.
    pub(in crate::space) fn print(self, space: &SearchSpace, cells: &[Cell]) -> Result<String, GraphError> {
        match self {
            Self::EdgeGroups => edge_groups::print(space, cells),
        }
    }

    fn parse(self, space: &SearchSpace, text: &str) -> Result<Vec<Cell>, ParseError> {
        match self {
            Self::EdgeGroups => edge_groups::parse(space, text),
        }
    }

    /// How many operations an architecture writes, where any operation may stand in any place.
    pub(in crate::space) fn n_free_choices(self, space: &SearchSpace) -> usize {
        match self {
            Self::EdgeGroups => edge_groups::edges(space).count(),
        }
    }

    /// The cells with these operations in written order, one per free choice.
    pub(in crate::space) fn fill(self, space: &SearchSpace, operations: &[OperationIndex]) -> Vec<Cell> {
        match self {
            Self::EdgeGroups => edge_groups::fill(space, operations),
        }
    }
}

impl SearchSpace {
    /// The architecture written as `text` in the space's notation.
    ///
    /// # Errors
    /// When the text is not exactly one architecture of this space; the error says at which
    /// character, what may stand there and what does.
    pub fn parse(self: &Arc<Self>, text: &str) -> Result<Architecture, ParseError> {
        text::check_length(text)?;
        let cells = self.notation.parse(self, text)?;
        Ok(Architecture::from_valid(Arc::clone(self), cells, text))
    }
}
