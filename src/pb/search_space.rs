//! Search spaces on the wire.

use crate::pb;
use crate::space;

impl From<&space::SearchSpace> for pb::SearchSpace {
    fn from(space: &space::SearchSpace) -> Self {
        Self {
            name: space.name.clone(),
            description: space.description.clone(),
            placement: pb::Placement::from(space.placement).into(),
            operations: space.operations.iter().map(Into::into).collect(),
            cells: space.cells.iter().map(Into::into).collect(),
            n_architectures: space.n_architectures(),
        }
    }
}

impl From<space::Placement> for pb::Placement {
    fn from(placement: space::Placement) -> Self {
        match placement {
            space::Placement::Edge => Self::Edge,
            space::Placement::Node => Self::Node,
        }
    }
}

impl From<&space::Operation> for pb::Operation {
    fn from(operation: &space::Operation) -> Self {
        Self { name: operation.name.clone(), role: pb::Role::from(operation.role).into() }
    }
}

impl From<space::Role> for pb::Role {
    fn from(role: space::Role) -> Self {
        match role {
            space::Role::Parametrised => Self::Parametrised,
            space::Role::Free => Self::Free,
            space::Role::Skip => Self::Skip,
            space::Role::None => Self::None,
        }
    }
}

impl From<&space::CellShape> for pb::CellShape {
    fn from(shape: &space::CellShape) -> Self {
        Self { name: shape.name.clone(), n_nodes: shape.n_nodes as u32, n_inputs: shape.n_inputs as u32 }
    }
}
