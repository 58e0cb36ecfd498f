//! Which definitions of a search space are sound.

use std::collections::HashSet;

use serde::Deserialize;

use crate::space::notation::Notation;
use crate::space::skeleton::Skeleton;
use crate::space::{CellShape, Operation, Placement, SearchSpace};

const MAX_CELLS: usize = 4;
const MAX_OPERATIONS: usize = 64;
const MAX_NAME_BYTES: usize = 64;
const MAX_DESCRIPTION_BYTES: usize = 1_000;

/// Nodes of a cell. With the bound on edges it keeps every multiplicity of a canonical form, at
/// most `(128 / 15)^15`, inside a `u64`.
const MAX_NODES: usize = 16;

/// Why a definition describes no search space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct DefinitionError {
    /// The field that is wrong, as `cells[0].n_inputs`.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl DefinitionError {
    pub(in crate::space) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

/// A definition as it is written, not yet checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fields {
    name: String,
    description: String,
    placement: Placement,
    notation: Notation,
    skeleton: Option<Skeleton>,
    operations: Vec<Operation>,
    cells: Vec<CellShape>,
}

impl TryFrom<Fields> for SearchSpace {
    type Error = DefinitionError;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let Fields { name, description, placement, notation, skeleton, operations, cells } = fields;
        let space = Self { name, description, placement, operations, cells, notation, skeleton };
        check_name("name", &space.name)?;
        check_size("description", space.description.len(), 0, MAX_DESCRIPTION_BYTES, "bytes")?;
        check_operations(&space.operations)?;
        check_cells(&space.cells)?;
        space.notation.check_definition(&space)?;
        if let Some(skeleton) = space.skeleton {
            skeleton.check_definition(&space)?;
        }
        Ok(space)
    }
}

fn check_operations(operations: &[Operation]) -> Result<(), DefinitionError> {
    check_size("operations", operations.len(), 1, MAX_OPERATIONS, "operations")?;
    check_names("operations", operations.iter().map(|operation| operation.name.as_str()))
}

fn check_cells(cells: &[CellShape]) -> Result<(), DefinitionError> {
    check_size("cells", cells.len(), 1, MAX_CELLS, "cells")?;
    check_names("cells", cells.iter().map(|cell| cell.name.as_str()))?;
    for (index, cell) in cells.iter().enumerate() {
        check_size(&format!("cells[{index}].n_nodes"), cell.n_nodes, 2, MAX_NODES, "nodes")?;
        check_size(&format!("cells[{index}].n_inputs"), cell.n_inputs, 1, cell.n_nodes - 1, "input nodes")?;
    }
    Ok(())
}

fn check_names<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), DefinitionError> {
    let mut taken = HashSet::new();
    for (index, name) in names.enumerate() {
        let path = format!("{list}[{index}].name");
        check_name(&path, name)?;
        if !taken.insert(name) {
            return Err(DefinitionError::new(path, format!("{name:?} is taken already")));
        }
    }
    Ok(())
}

/// Names stand in notations, ids and paths, so they have none of the characters those are made of.
fn check_name(path: &str, name: &str) -> Result<(), DefinitionError> {
    check_size(path, name.len(), 1, MAX_NAME_BYTES, "bytes")?;
    match name.chars().find(|c| !c.is_ascii_alphanumeric() && !"_-".contains(*c)) {
        Some(c) => Err(DefinitionError::new(path, format!("{c:?} is none of a-z, A-Z, 0-9, '_' and '-'"))),
        None => Ok(()),
    }
}

fn check_size(path: &str, size: usize, min: usize, max: usize, of: &str) -> Result<(), DefinitionError> {
    if (min..=max).contains(&size) {
        Ok(())
    } else {
        Err(DefinitionError::new(path, format!("{size} {of} are not {min} to {max}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = include_str!("../registry/nasbench201.toml");

    fn refusal(from: &str, to: &str) -> String {
        assert!(SOUND.contains(from), "the definition has {from:?}");
        let refused = toml::from_str::<SearchSpace>(&SOUND.replace(from, to));
        refused.expect_err("unsound").message().to_owned()
    }

    #[test]
    fn an_unsound_definition_is_refused_with_the_field_named() {
        let cases = [
            ("\"nasbench201\"\ndes", "\"nas bench\"\ndes", "name: ' ' is none of a-z, A-Z, 0-9, '_' and '-'"),
            ("\"nasbench201\"\ndes", "\"\"\ndes", "name: 0 bytes are not 1 to 64"),
            ("skip_connect", "none", "operations[1].name: \"none\" is taken already"),
            ("n_nodes = 4", "n_nodes = 400", "cells[0].n_nodes: 400 nodes are not 2 to 16"),
            ("n_inputs = 1", "n_inputs = 4", "cells[0].n_inputs: 4 input nodes are not 1 to 3"),
            (
                "n_inputs = 1",
                "n_inputs = 2",
                "cells[0].n_inputs: the notation edge_groups has one input node",
            ),
            ("\"edge\"", "\"node\"", "placement: the notation edge_groups has operations on edges"),
            ("avg_pool_3x3", "max_pool", "operations[4].name: the skeleton nasbench201 has no \"max_pool\""),
        ];
        for (from, to, message) in cases {
            assert_eq!(refusal(from, to), message);
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(refusal("n_inputs = 1", "n_inputs = 1\nn_outputs = 1").contains("unknown field `n_outputs`"));
    }
}
