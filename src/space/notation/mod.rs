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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::space::builtins;

    #[test]
    fn samples_of_every_space_are_read_as_they_are_printed() {
        for space in builtins() {
            let sample = space.sample(500, 3);
            assert_eq!(sample.len(), 500);
            for architecture in sample {
                let read = space.parse(architecture.text()).expect("printed by the space itself");
                assert_eq!(read.cells(), architecture.cells());
                let printed = space.architecture(read.cells().to_vec()).expect("the same graph");
                assert_eq!(printed.text(), architecture.text());
            }
        }
    }

    proptest! {
        /// A text with a piece taken out and another put in is refused, or means what it is printed as.
        #[test]
        fn a_changed_text_is_refused_or_understood(
            seed in any::<u64>(),
            from in any::<prop::sample::Index>(),
            n_removed in 0_usize..12,
            inserted in "([\\[\\](){},:'\"|~+= é]|[0-9]|none|input|range){0,3}",
        ) {
            for space in builtins() {
                let mut text = space.sample(1, seed)[0].text().to_owned();
                let from = from.index(text.len());
                let to = text.len().min(from + n_removed);
                text.replace_range(from..to, &inserted);
                if let Ok(architecture) = space.parse(&text) {
                    let again = space.parse(architecture.text()).expect("printed by the space itself");
                    prop_assert_eq!(again.cells(), architecture.cells());
                }
            }
        }
    }
}
