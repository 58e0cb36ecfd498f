//! Search spaces on the wire.

use crate::pb::{self, WireError};
use crate::space::{self, DefinitionError};

impl pb::SearchSpace {
    /// The search space that a client defines; what the server sets is not looked at.
    ///
    /// # Errors
    /// Naming the field, seen from this message, that is missing or not what it should be.
    pub fn decode(self) -> Result<space::SearchSpace, WireError> {
        Ok(space::SearchSpace::custom(self.definition()?)?)
    }

    /// What the message says of a search space, whether it can be one or not; what the server sets is not looked at.
    ///
    /// # Errors
    /// Naming the field, seen from this message, that is missing or says nothing known.
    pub fn definition(self) -> Result<space::Definition, WireError> {
        Ok(space::Definition {
            placement: known(pb::Placement::try_from(self.placement), "placement")?.try_into()?,
            wiring: self.wiring.unwrap_or_default().decode().map_err(|error| error.within("wiring"))?,
            output: known(pb::Join::try_from(self.output), "output")?.into(),
            dead_nodes: known(pb::DeadNodes::try_from(self.dead_nodes), "dead_nodes")?.into(),
            read_out: known(pb::ReadOut::try_from(self.read_out), "read_out")?.into(),
            operations: all("operations", self.operations, pb::Operation::decode)?,
            cells: self.cells.into_iter().map(Into::into).collect(),
            name: self.name,
            description: self.description,
        })
    }
}

/// The enum in the field of that name, where its number is one.
fn known<E>(read: Result<E, prost::UnknownEnumValue>, field: &str) -> Result<E, WireError> {
    read.map_err(|error| WireError::new(field, error))
}

/// Every item of the field of that name, or which one is wrong.
fn all<P, T>(
    field: &str,
    items: Vec<P>,
    decode: impl Fn(P) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let indexed = items.into_iter().enumerate();
    let decoded =
        indexed.map(|(index, item)| decode(item).map_err(|error| error.within(format!("{field}[{index}]"))));
    decoded.collect()
}

fn not_given(field: &str) -> WireError {
    WireError::new(field, "is not given")
}

/// Both name fields as this message does.
impl From<DefinitionError> for WireError {
    fn from(error: DefinitionError) -> Self {
        Self::new(error.path, error.reason)
    }
}

impl pb::Wiring {
    fn decode(self) -> Result<space::Wiring, WireError> {
        match self.kind.ok_or_else(|| WireError::new("kind", "is neither complete, free nor per_node"))? {
            pb::wiring::Kind::Complete(pb::CompleteWiring {}) => Ok(space::Wiring::Complete),
            pb::wiring::Kind::Free(free) => Ok(space::Wiring::Free { max_edges: free.max_edges as usize }),
            pb::wiring::Kind::PerNode(per_node) => {
                let output = known(pb::OutputEdges::try_from(per_node.output), "output")
                    .and_then(space::OutputEdges::try_from)
                    .map_err(|error| error.within("per_node"))?;
                let (n_edges, may_repeat) = (per_node.n_edges as usize, per_node.may_repeat);
                Ok(space::Wiring::PerNode(space::PerNode { n_edges, may_repeat, output }))
            }
        }
    }
}

impl pb::Operation {
    fn decode(self) -> Result<space::Operation, WireError> {
        let role = known(pb::Role::try_from(self.role), "role")?.try_into()?;
        Ok(space::Operation { name: self.name, role })
    }
}

impl From<pb::CellShape> for space::CellShape {
    fn from(shape: pb::CellShape) -> Self {
        Self {
            name: shape.name,
            n_nodes: shape.n_nodes as usize,
            n_inputs: shape.n_inputs as usize,
            min_nodes: shape.min_nodes.map(|n_nodes| n_nodes as usize),
            reduces: shape.reduces,
        }
    }
}

impl TryFrom<pb::Placement> for space::Placement {
    type Error = WireError;

    fn try_from(placement: pb::Placement) -> Result<Self, WireError> {
        match placement {
            pb::Placement::Edge => Ok(Self::Edge),
            pb::Placement::Node => Ok(Self::Node),
            pb::Placement::Unspecified => Err(not_given("placement")),
        }
    }
}

impl TryFrom<pb::Role> for space::Role {
    type Error = WireError;

    fn try_from(role: pb::Role) -> Result<Self, WireError> {
        match role {
            pb::Role::Parametrised => Ok(Self::Parametrised),
            pb::Role::Free => Ok(Self::Free),
            pb::Role::Skip => Ok(Self::Skip),
            pb::Role::None => Ok(Self::None),
            pb::Role::Unspecified => Err(not_given("role")),
        }
    }
}

impl TryFrom<pb::OutputEdges> for space::OutputEdges {
    type Error = WireError;

    fn try_from(output: pb::OutputEdges) -> Result<Self, WireError> {
        match output {
            pb::OutputEdges::InnerNodes => Ok(Self::InnerNodes),
            pb::OutputEdges::LooseEnds => Ok(Self::LooseEnds),
            pb::OutputEdges::Unspecified => Err(not_given("output")),
        }
    }
}

impl From<pb::Join> for space::Join {
    fn from(join: pb::Join) -> Self {
        match join {
            pb::Join::Unspecified => Self::default(),
            pb::Join::Sum => Self::Sum,
            pb::Join::Concatenation => Self::Concatenation,
        }
    }
}

impl From<pb::DeadNodes> for space::DeadNodes {
    fn from(dead_nodes: pb::DeadNodes) -> Self {
        match dead_nodes {
            pb::DeadNodes::Unspecified => Self::default(),
            pb::DeadNodes::Kept => Self::Kept,
            pb::DeadNodes::Pruned => Self::Pruned,
        }
    }
}

impl From<pb::ReadOut> for space::ReadOut {
    fn from(read_out: pb::ReadOut) -> Self {
        match read_out {
            pb::ReadOut::Unspecified => Self::default(),
            pb::ReadOut::Output => Self::Output,
            pb::ReadOut::MeanOfNodes => Self::MeanOfNodes,
        }
    }
}

impl From<&space::SearchSpace> for pb::SearchSpace {
    fn from(space: &space::SearchSpace) -> Self {
        Self {
            n_architectures: space.n_architectures(),
            notation: space.notation_name().to_owned(),
            ..Self::from(space.definition())
        }
    }
}

impl From<space::Definition> for pb::SearchSpace {
    /// Without what the server sets.
    fn from(definition: space::Definition) -> Self {
        Self {
            name: definition.name,
            description: definition.description,
            placement: pb::Placement::from(definition.placement).into(),
            operations: definition.operations.into_iter().map(Into::into).collect(),
            cells: definition.cells.into_iter().map(Into::into).collect(),
            n_architectures: None,
            wiring: Some(definition.wiring.into()),
            output: pb::Join::from(definition.output).into(),
            dead_nodes: pb::DeadNodes::from(definition.dead_nodes).into(),
            read_out: pb::ReadOut::from(definition.read_out).into(),
            notation: String::new(),
        }
    }
}

impl From<space::Wiring> for pb::Wiring {
    fn from(wiring: space::Wiring) -> Self {
        let kind = match wiring {
            space::Wiring::Complete => pb::wiring::Kind::Complete(pb::CompleteWiring {}),
            space::Wiring::Free { max_edges } => {
                pb::wiring::Kind::Free(pb::FreeWiring { max_edges: max_edges as u32 })
            }
            space::Wiring::PerNode(space::PerNode { n_edges, may_repeat, output }) => {
                let output = pb::OutputEdges::from(output).into();
                pb::wiring::Kind::PerNode(pb::PerNodeWiring { n_edges: n_edges as u32, may_repeat, output })
            }
        };
        Self { kind: Some(kind) }
    }
}

impl From<space::OutputEdges> for pb::OutputEdges {
    fn from(output: space::OutputEdges) -> Self {
        match output {
            space::OutputEdges::InnerNodes => Self::InnerNodes,
            space::OutputEdges::LooseEnds => Self::LooseEnds,
        }
    }
}

impl From<space::Join> for pb::Join {
    fn from(join: space::Join) -> Self {
        match join {
            space::Join::Sum => Self::Sum,
            space::Join::Concatenation => Self::Concatenation,
        }
    }
}

impl From<space::DeadNodes> for pb::DeadNodes {
    fn from(dead_nodes: space::DeadNodes) -> Self {
        match dead_nodes {
            space::DeadNodes::Kept => Self::Kept,
            space::DeadNodes::Pruned => Self::Pruned,
        }
    }
}

impl From<space::ReadOut> for pb::ReadOut {
    fn from(read_out: space::ReadOut) -> Self {
        match read_out {
            space::ReadOut::Output => Self::Output,
            space::ReadOut::MeanOfNodes => Self::MeanOfNodes,
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

impl From<space::Operation> for pb::Operation {
    fn from(operation: space::Operation) -> Self {
        Self { name: operation.name, role: pb::Role::from(operation.role).into() }
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

impl From<space::CellShape> for pb::CellShape {
    fn from(shape: space::CellShape) -> Self {
        Self {
            name: shape.name,
            n_nodes: shape.n_nodes as u32,
            n_inputs: shape.n_inputs as u32,
            min_nodes: shape.min_nodes.map(|n_nodes| n_nodes as u32),
            reduces: shape.reduces,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The space of a built-in, as a user might bring it.
    fn message(space: &space::SearchSpace) -> pb::SearchSpace {
        pb::SearchSpace { name: "mine".to_owned(), ..space.into() }
    }

    #[test]
    fn every_kind_of_space_survives_the_wire() {
        for space in space::builtins() {
            let decoded = message(&space).decode().expect("sound");
            let expected = space::Definition { name: "mine".to_owned(), ..space.definition() };
            assert_eq!(decoded.definition(), expected);
            assert_eq!(decoded.notation_name(), "graph");
        }
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let sparse = pb::SearchSpace {
            output: 0,
            dead_nodes: 0,
            read_out: 0,
            description: String::new(),
            ..message(&space::nasbench101())
        };
        let space = sparse.decode().expect("sound");
        let read = (space.output, space.dead_nodes, space.read_out);
        assert_eq!(read, (space::Join::Sum, space::DeadNodes::Kept, space::ReadOut::Output));
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let refused = |space: &space::SearchSpace, change: &dyn Fn(&mut pb::SearchSpace)| {
            let mut message = message(space);
            change(&mut message);
            message.decode().expect_err("a wrong field").field().to_owned()
        };
        let nasbench101 = |change: &dyn Fn(&mut pb::SearchSpace)| refused(&space::nasbench101(), change);
        assert_eq!(nasbench101(&|space| space.name.clear()), "name");
        assert_eq!(nasbench101(&|space| space.name = "darts".into()), "name");
        assert_eq!(nasbench101(&|space| space.description = "x".repeat(1_001)), "description");
        assert_eq!(nasbench101(&|space| space.placement = 0), "placement");
        assert_eq!(nasbench101(&|space| space.placement = 77), "placement");
        assert_eq!(nasbench101(&|space| space.output = -1), "output");
        assert_eq!(nasbench101(&|space| space.dead_nodes = 77), "dead_nodes");
        assert_eq!(nasbench101(&|space| space.read_out = 77), "read_out");
        assert_eq!(nasbench101(&|space| space.operations[1].role = 0), "operations[1].role");
        assert_eq!(nasbench101(&|space| space.operations[1].role = 77), "operations[1].role");
        assert_eq!(nasbench101(&|space| space.operations[1].name = "a b".into()), "operations[1].name");
        assert_eq!(
            nasbench101(&|space| space.operations = vec![space.operations[0].clone(); 65]),
            "operations"
        );
        assert_eq!(nasbench101(&|space| space.cells = vec![space.cells[0].clone(); 5]), "cells");
        assert_eq!(nasbench101(&|space| space.cells[0].n_nodes = u32::MAX), "cells[0].n_nodes");
        assert_eq!(nasbench101(&|space| space.cells[0].n_inputs = 0), "cells[0].n_inputs");
        assert_eq!(nasbench101(&|space| space.cells[0].min_nodes = Some(8)), "cells[0].min_nodes");
        assert_eq!(nasbench101(&|space| space.cells[0].reduces = true), "cells[0].reduces");
        assert_eq!(nasbench101(&|space| space.wiring = None), "wiring.kind");
        let free =
            |max_edges| Some(pb::Wiring { kind: Some(pb::wiring::Kind::Free(pb::FreeWiring { max_edges })) });
        assert_eq!(nasbench101(&|space| space.wiring = free(0)), "wiring.free.max_edges");
        assert_eq!(nasbench101(&|space| space.wiring = free(129)), "wiring.free.max_edges");
        let darts = |change: &dyn Fn(&mut pb::PerNodeWiring)| {
            refused(&space::darts(), &|space| {
                let Some(pb::Wiring { kind: Some(pb::wiring::Kind::PerNode(per_node)) }) = &mut space.wiring
                else {
                    panic!("darts is wired per node")
                };
                change(per_node);
            })
        };
        assert_eq!(darts(&|wiring| wiring.output = 0), "wiring.per_node.output");
        assert_eq!(darts(&|wiring| wiring.output = 77), "wiring.per_node.output");
        assert_eq!(darts(&|wiring| wiring.n_edges = 3), "cells[0].n_inputs");
        assert_eq!(darts(&|wiring| wiring.n_edges = 0), "wiring.per_node.n_edges");
    }
}
