//! How architectures are written, for those who read and print them.

mod edge_groups;
mod genotype;
mod graph;
mod list;
mod module_spec;
mod text;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(in crate::space) use self::text::MAX_TEXT_BYTES;
pub use self::text::ParseError;
use crate::space::{Architecture, Cell, DefinitionError, SearchSpace};

/// A way to write architectures. A definition names it, code knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::space) enum Notation {
    /// `{"cells":[{"edges":[[0,1,"conv"],..]}]}`: the explicit graph, which can write any space.
    #[default]
    Graph,
    /// `|op~0|+|op~0|op~1|+..`: one cell with every edge there can be, grouped by target.
    EdgeGroups,
    /// `{"module_adjacency":[[0,1],..],"module_operations":["input",..]}`, as NAS-Bench-101 does.
    ModuleSpec,
    /// `Genotype(normal=[('op', 0), ..], normal_concat=[2, ..], reduce=..)`, as DARTS does.
    Genotype,
}

impl Notation {
    /// Whether every architecture of the space can be written in this way.
    pub(in crate::space) fn check_definition(self, space: &SearchSpace) -> Result<(), DefinitionError> {
        match self {
            Self::Graph => Ok(()),
            Self::EdgeGroups => edge_groups::check_definition(space),
            Self::ModuleSpec => module_spec::check_definition(space),
            Self::Genotype => genotype::check_definition(space),
        }
    }

    /// The text of cells that are sound by the space's definition.
    pub(in crate::space) fn print(self, space: &SearchSpace, cells: &[Cell]) -> String {
        match self {
            Self::Graph => graph::print(space, cells),
            Self::EdgeGroups => edge_groups::print(space, cells),
            Self::ModuleSpec => module_spec::print(space, cells),
            Self::Genotype => genotype::print(space, cells),
        }
    }

    /// The cells of a text, of which the notation settles no more than its own form.
    fn parse(self, space: &SearchSpace, text: &str) -> Result<Vec<Cell>, ParseError> {
        match self {
            Self::Graph => graph::parse(space, text),
            Self::EdgeGroups => edge_groups::parse(space, text),
            Self::ModuleSpec => module_spec::parse(space, text),
            Self::Genotype => genotype::parse(space, text),
        }
    }
}

impl SearchSpace {
    /// The architecture written as `text` in the space's notation. Spellings that mean the same, as other
    /// quotes and spaces, come to the same architecture.
    ///
    /// # Errors
    /// When the text is not exactly one architecture of this space; the error says at which
    /// character, what may stand there and what does, or which part of the graph is wrong.
    pub fn parse(self: &Arc<Self>, text: &str) -> Result<Architecture, ParseError> {
        text::check_length(text)?;
        let cells = self.notation.parse(self, text)?;
        Ok(self.architecture(cells)?)
    }

    /// The name of the notation, as `edge_groups`.
    #[must_use]
    pub fn notation_name(&self) -> &'static str {
        match self.notation {
            Notation::Graph => "graph",
            Notation::EdgeGroups => "edge_groups",
            Notation::ModuleSpec => "module_spec",
            Notation::Genotype => "genotype",
        }
    }

    /// The fields of a JSON object that together are the text of an architecture; none where a text is no object.
    #[must_use]
    pub fn text_fields(&self) -> &'static [&'static str] {
        match self.notation {
            Notation::Graph => &[graph::CELLS],
            Notation::ModuleSpec => &[module_spec::ADJACENCY, module_spec::OPERATIONS],
            Notation::EdgeGroups | Notation::Genotype => &[],
        }
    }
}
