//! Architectures and saliencies on the wire: what a client asks about.

use std::sync::Arc;

use crate::domain::Candidate;
use crate::pb::{self, WireError};
use crate::space::{self, OperationIndex, Saliencies, SaliencyError, SearchSpace};

impl pb::Architecture {
    /// An architecture in the space's own notation.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self { notation: Some(pb::architecture::Notation::Text(text.into())), saliencies: None }
    }

    /// The architecture of `space` this message writes, with its saliencies.
    ///
    /// # Errors
    /// Naming the field, seen from this message, when the notation is missing or wrong, or the saliencies
    /// are no rows of finite numbers.
    pub fn decode(self, space: &Arc<SearchSpace>) -> Result<Candidate, WireError> {
        let architecture = match self.notation {
            Some(pb::architecture::Notation::Text(text)) => {
                space.parse(&text).map_err(|error| WireError::new("text", error))
            }
            Some(pb::architecture::Notation::Graph(graph)) => {
                graph.decode(space).map_err(|error| error.within("graph"))
            }
            None => Err(WireError::new("notation", "neither text nor graph is given")),
        }?;
        let saliencies = self.saliencies.map(pb::Saliencies::decode).transpose();
        Ok(Candidate { architecture, saliencies: saliencies.map_err(|error| error.within("saliencies"))? })
    }
}

impl pb::Graph {
    fn decode(self, space: &Arc<SearchSpace>) -> Result<space::Architecture, WireError> {
        let cells = (self.cells.into_iter().enumerate())
            .map(|(index, cell)| cell.decode(space).map_err(|error| error.within(format!("cells[{index}]"))))
            .collect::<Result<_, _>>()?;
        space.architecture(cells).map_err(|error| WireError::new(error.path, error.reason))
    }
}

impl pb::Cell {
    fn decode(self, space: &SearchSpace) -> Result<space::Cell, WireError> {
        let node_operations = (self.node_operations.iter().enumerate())
            .map(|(index, name)| {
                operation(space, name)
                    .map_err(|reason| WireError::new(format!("node_operations[{index}]"), reason))
            })
            .collect::<Result<_, _>>()?;
        let edges = (self.edges.into_iter().enumerate())
            .map(|(index, edge)| edge.decode(space).map_err(|error| error.within(format!("edges[{index}]"))))
            .collect::<Result<_, _>>()?;
        Ok(space::Cell { n_nodes: self.n_nodes as usize, node_operations, edges })
    }
}

impl pb::Edge {
    /// Whether an operation may or must stand here is for the space to say.
    fn decode(self, space: &SearchSpace) -> Result<space::Edge, WireError> {
        let operation = match self.operation.as_str() {
            "" => None,
            name => Some(operation(space, name).map_err(|reason| WireError::new("operation", reason))?),
        };
        Ok(space::Edge { source: self.source as usize, target: self.target as usize, operation })
    }
}

fn operation(space: &SearchSpace, name: &str) -> Result<OperationIndex, String> {
    space.operation_named(name).ok_or_else(|| {
        let known: Vec<_> = space.operations.iter().map(|operation| operation.name.as_str()).collect();
        format!("{} has no operation \"{name:.64}\", only {}", space.name, known.join(", "))
    })
}

impl pb::Saliencies {
    fn decode(self) -> Result<Saliencies, WireError> {
        let n_metrics = self.n_metrics as usize;
        Saliencies::new(n_metrics, self.values).map_err(|error| match error {
            SaliencyError::Ragged { n_metrics: 0, .. } => WireError::new("n_metrics", "must be at least 1"),
            SaliencyError::Ragged { .. } => WireError::new("values", error),
            SaliencyError::NotFinite { index } => {
                WireError::new(format!("values[{index}]"), "is not a finite number of 32 bits")
            }
        })
    }
}

impl From<&space::Architecture> for pb::Graph {
    fn from(architecture: &space::Architecture) -> Self {
        let operations = &architecture.space().operations;
        let name = |operation: OperationIndex| operations[operation.0].name.clone();
        let cells = architecture.cells().iter().map(|cell| pb::Cell {
            n_nodes: cell.n_nodes as u32,
            node_operations: cell.node_operations.iter().copied().map(name).collect(),
            edges: (cell.edges.iter())
                .map(|edge| pb::Edge {
                    source: edge.source as u32,
                    target: edge.target as u32,
                    operation: edge.operation.map(name).unwrap_or_default(),
                })
                .collect(),
        });
        Self { cells: cells.collect() }
    }
}

impl From<&space::Architecture> for pb::DescribeArchitectureResponse {
    fn from(architecture: &space::Architecture) -> Self {
        let cost = architecture.cost();
        Self {
            text: architecture.text().to_owned(),
            graph: Some(architecture.into()),
            canonical_id: architecture.canonical().id.to_string(),
            parameters: cost.map(|cost| cost.parameters),
            flops: cost.map(|cost| cost.flops),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_survives_the_wire_as_text_and_as_graph() {
        let space = space::nasbench201();
        for architecture in space.sample(200, 3) {
            let text = pb::Architecture::from_text(architecture.text());
            let notation = Some(pb::architecture::Notation::Graph((&architecture).into()));
            let graph = pb::Architecture { notation, saliencies: None };
            for message in [text, graph] {
                assert_eq!(message.decode(&space), Ok(Candidate::from(architecture.clone())));
            }
        }
    }

    #[test]
    fn an_operation_that_is_not_known_is_quoted_only_so_far() {
        let error = operation(&space::nasbench201(), &"x".repeat(1_000)).expect_err("no operation");
        assert!(error.len() < 250, "{error}");
    }
}
