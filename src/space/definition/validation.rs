//! Which definitions of a search space are sound.

use std::collections::HashSet;

use serde::Deserialize;

use crate::space::graph::MAX_EDGES;
use crate::space::notation::Notation;
use crate::space::skeleton::Skeleton;
use crate::space::{CellShape, DeadNodes, Join, Operation, PerNode, Placement, ReadOut, SearchSpace, Wiring};

const MAX_CELLS: usize = 4;
const MAX_OPERATIONS: usize = 64;
/// A name has no more of these.
pub const MAX_NAME_BYTES: usize = 64;
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
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) placement: Placement,
    pub(super) operations: Vec<Operation>,
    pub(super) cells: Vec<CellShape>,
    pub(super) wiring: Wiring,
    #[serde(default)]
    pub(super) output: Join,
    #[serde(default)]
    pub(super) dead_nodes: DeadNodes,
    #[serde(default)]
    pub(super) read_out: ReadOut,
    #[serde(default)]
    pub(super) notation: Notation,
    pub(super) skeleton: Option<Skeleton>,
}

impl TryFrom<Fields> for SearchSpace {
    type Error = DefinitionError;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let space = Self {
            name: fields.name,
            description: fields.description,
            placement: fields.placement,
            operations: fields.operations,
            cells: fields.cells,
            wiring: fields.wiring,
            output: fields.output,
            dead_nodes: fields.dead_nodes,
            read_out: fields.read_out,
            notation: fields.notation,
            skeleton: fields.skeleton,
        };
        check_name("name", &space.name)?;
        check_size("description", space.description.len(), 0, MAX_DESCRIPTION_BYTES, "bytes")?;
        check_operations(&space.operations)?;
        check_cells(&space.cells)?;
        check_wiring(&space)?;
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
        let min_nodes = *cell.sizes().start();
        check_size(
            &format!("cells[{index}].min_nodes"),
            min_nodes,
            cell.n_inputs + 1,
            cell.n_nodes,
            "nodes",
        )?;
    }
    Ok(())
}

fn check_wiring(space: &SearchSpace) -> Result<(), DefinitionError> {
    for (index, cell) in space.cells.iter().enumerate() {
        let refuse = |field: &str, reason: &str| {
            Err(DefinitionError::new(format!("cells[{index}].{field}"), reason.to_owned()))
        };
        match space.wiring {
            Wiring::Complete | Wiring::PerNode(_) if cell.sizes().count() > 1 => {
                return refuse("min_nodes", "only cells with free wiring come in several sizes");
            }
            Wiring::PerNode(PerNode { n_edges, may_repeat: false, .. }) if n_edges > cell.n_inputs => {
                let reason = format!("{n_edges} edges from different nodes need as many input nodes");
                return refuse("n_inputs", &reason);
            }
            Wiring::PerNode(_) if cell.n_nodes < cell.n_inputs + 2 => {
                return refuse("n_nodes", "there is no inner node whose edges could be chosen");
            }
            Wiring::Complete | Wiring::Free { .. } | Wiring::PerNode(_) => {}
        }
        if cell.reduces && space.placement == Placement::Node {
            return refuse("reduces", "only operations on edges are strided");
        }
    }
    match space.wiring {
        Wiring::Complete => Ok(()),
        Wiring::Free { max_edges } => check_size("wiring.free.max_edges", max_edges, 1, MAX_EDGES, "edges"),
        Wiring::PerNode(PerNode { n_edges, .. }) => {
            // Two of them leave room for those into the output.
            check_size("wiring.per_node.n_edges", n_edges, 1, MAX_EDGES / MAX_NODES - 1, "edges")?;
            if space.placement == Placement::Edge && space.first_skip().is_none() {
                let reason = "none has the role skip, which edges into the output carry";
                return Err(DefinitionError::new("operations", reason));
            }
            Ok(())
        }
    }
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
