//! Search spaces that users bring: what they can say of one, and no more.

use serde::{Deserialize, Serialize};

use super::validation::Fields;
use super::{
    CellShape, DeadNodes, DefinitionError, Join, Operation, Placement, ReadOut, SearchSpace, Wiring,
};
use crate::space::builtin;
use crate::space::notation::Notation;

/// What a user says of a search space: all that is data. Its architectures are written as graphs, and which
/// network their cells are stacked into is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// The key it shall have; none of a built-in.
    pub name: String,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Where operations sit.
    pub placement: Placement,
    /// Which edges a cell has.
    pub wiring: Wiring,
    /// What the output of a cell makes of what arrives.
    #[serde(default)]
    pub output: Join,
    /// What happens to nodes without a path from an input to the output.
    #[serde(default)]
    pub dead_nodes: DeadNodes,
    /// Where predictors read their encoding of a cell.
    #[serde(default)]
    pub read_out: ReadOut,
    /// The operations, in the order of their indices.
    pub operations: Vec<Operation>,
    /// The cells of an architecture, in order.
    pub cells: Vec<CellShape>,
}

impl SearchSpace {
    /// The search space that a user defines.
    ///
    /// # Errors
    /// Naming the first field that is wrong; a name that a built-in has is.
    pub fn custom(definition: Definition) -> Result<Self, DefinitionError> {
        if builtin(&definition.name).is_some() {
            let reason = format!("{:?} is built in, so no other one can be called that", definition.name);
            return Err(DefinitionError::new("name", reason));
        }
        let space = Self::try_from(Fields::from(definition))?;
        if let Wiring::Free { max_edges } = space.wiring {
            // Not asked of spaces that are kept already: one that was created before this was asked stays what it is.
            let fewest =
                space.cells.iter().map(|cell| cell.sizes().start() - cell.n_inputs).max().unwrap_or(1);
            if max_edges < fewest {
                let reason =
                    format!("{max_edges} edges do not connect the smallest cells, which takes {fewest}");
                return Err(DefinitionError::new("wiring.free.max_edges", reason));
            }
        }
        Ok(space)
    }

    /// What a user would say of the space. Of a custom one that is everything.
    #[must_use]
    pub fn definition(&self) -> Definition {
        Definition {
            name: self.name.clone(),
            description: self.description.clone(),
            placement: self.placement,
            wiring: self.wiring,
            output: self.output,
            dead_nodes: self.dead_nodes,
            read_out: self.read_out,
            operations: self.operations.clone(),
            cells: self.cells.clone(),
        }
    }
}

impl From<Definition> for Fields {
    fn from(definition: Definition) -> Self {
        Self {
            name: definition.name,
            description: definition.description,
            placement: definition.placement,
            operations: definition.operations,
            cells: definition.cells,
            wiring: definition.wiring,
            output: definition.output,
            dead_nodes: definition.dead_nodes,
            read_out: definition.read_out,
            notation: Notation::Graph,
            skeleton: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::space::{OutputEdges, PerNode, Role, nasbench201};

    /// Two operations on the edges of one cell.
    fn small() -> Definition {
        let operation = |name: &str, role| Operation { name: name.to_owned(), role };
        Definition {
            name: "mine".to_owned(),
            description: "A space of a test".to_owned(),
            placement: Placement::Edge,
            wiring: Wiring::Complete,
            output: Join::Sum,
            dead_nodes: DeadNodes::Kept,
            read_out: ReadOut::Output,
            operations: vec![operation("conv", Role::Parametrised), operation("none", Role::None)],
            cells: vec![CellShape {
                name: "cell".to_owned(),
                n_nodes: 4,
                n_inputs: 1,
                min_nodes: None,
                reduces: false,
            }],
        }
    }

    fn refusal(change: impl FnOnce(&mut Definition)) -> String {
        let mut definition = small();
        change(&mut definition);
        SearchSpace::custom(definition).expect_err("unsound").to_string()
    }

    #[test]
    fn a_space_is_what_its_definition_says_and_survives_being_stored() {
        let space = SearchSpace::custom(small()).expect("sound");
        assert_eq!(space.definition(), small());
        let stored = serde_json::to_string(&space).expect("plain data");
        assert_eq!(serde_json::from_str::<SearchSpace>(&stored).expect("as it was"), space);
        let text = r#"{"cells":[{"n_nodes":4,"edges":[[0,1,"conv"],[0,2,"none"],[1,2,"conv"],[0,3,"none"],[1,3,"none"],[2,3,"conv"]]}]}"#;
        assert_eq!(Arc::new(space).parse(text).expect("one of 64").text(), text);
    }

    #[test]
    fn a_definition_has_nothing_but_its_fields_and_no_name_of_a_builtin() {
        let mut fields = serde_json::to_value(small()).expect("plain data");
        fields["notation"] = "genotype".into();
        let error = serde_json::from_value::<Definition>(fields).expect_err("code, not data");
        assert!(error.to_string().contains("unknown field `notation`"), "{error}");
        let taken = refusal(|definition| definition.name = nasbench201().name.clone());
        assert!(taken.starts_with("name: \"nasbench201\" is built in"), "{taken}");
        assert!(refusal(|definition| definition.operations.clear()).starts_with("operations: "));
    }

    #[test]
    fn whatever_a_space_can_draw_can_be_read_again() {
        let mut largest = small();
        largest.cells[0].n_nodes = 16;
        largest.operations[0].name = "c".repeat(64);
        largest.operations[1] = Operation { name: "s".repeat(64), role: Role::Skip };
        let shape = largest.cells[0].clone();
        largest.cells =
            ["a", "b", "c", "d"].map(|name| CellShape { name: name.into(), ..shape.clone() }).into();
        let per_node =
            Wiring::PerNode(PerNode { n_edges: 7, may_repeat: true, output: OutputEdges::InnerNodes });
        for placement in [Placement::Edge, Placement::Node] {
            for wiring in [Wiring::Complete, Wiring::Free { max_edges: 128 }, per_node] {
                let definition = Definition { placement, wiring, ..largest.clone() };
                let space = Arc::new(SearchSpace::custom(definition).expect("sound"));
                let sample = space.sample(20, 1);
                assert_eq!(sample.len(), 20);
                for architecture in sample {
                    assert_eq!(space.parse(architecture.text()), Ok(architecture));
                }
            }
        }
    }

    #[test]
    fn a_space_whose_dead_cells_do_not_count_is_not_counted_and_sampling_it_ends() {
        let mut dead = Definition { dead_nodes: DeadNodes::Pruned, ..small() };
        let space = Arc::new(SearchSpace::custom(dead.clone()).expect("sound"));
        assert_eq!(space.n_architectures(), None);
        let sample = space.sample(100, 1);
        assert!((1..64).contains(&sample.len()), "{}", sample.len());
        dead.operations.remove(0);
        let empty = Arc::new(SearchSpace::custom(dead).expect("sound"));
        assert_eq!(empty.sample(3, 1), []);
    }
}
