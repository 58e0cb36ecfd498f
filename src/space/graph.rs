//! Architectures from explicit graphs.

use std::sync::Arc;

use crate::space::{
    Architecture, Cell, CellShape, DeadNodes, Edge, OperationIndex, Placement, SearchSpace, Wiring,
};

/// Edges of a cell at most, parallel ones counted: more than a complete graph of the largest cell
/// needs, few enough for canonical forms to stay small.
pub(in crate::space) const MAX_EDGES: usize = 128;

/// Why a graph is no architecture of its space.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct GraphError {
    /// The field that is wrong, as `cells[0].edges[3].operation`.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl GraphError {
    pub(in crate::space) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

impl SearchSpace {
    /// The architecture with these cells, printed in the space's notation.
    ///
    /// Where operations sit on edges, those come in the order of the space's wiring, so that what is known per
    /// written operation (as [`Saliencies`](crate::space::Saliencies)) keeps its place.
    ///
    /// # Errors
    /// When the cells have other sizes, edges or operations than the space allows; the error names
    /// the first field that is wrong.
    pub fn architecture(self: &Arc<Self>, mut cells: Vec<Cell>) -> Result<Architecture, GraphError> {
        // Edges without operations are a set: any order will do, also where the wiring has one.
        let is_set = self.placement == Placement::Node;
        let has_order = !matches!(self.wiring, Wiring::Free { .. });
        for cell in cells.iter_mut().filter(|_| is_set && has_order) {
            cell.edges.sort_unstable_by_key(|edge| (edge.target, edge.source));
        }
        self.check_cells(&cells)?;
        for cell in cells.iter_mut().filter(|_| is_set) {
            cell.edges.sort_unstable_by_key(|edge| (edge.source, edge.target));
        }
        let text = self.notation.print(self, &cells);
        Ok(Architecture::from_valid(Arc::clone(self), cells, text))
    }

    fn check_cells(&self, cells: &[Cell]) -> Result<(), GraphError> {
        if cells.len() != self.cells.len() {
            let reason = format!("{} has {} cells, not {}", self.name, self.cells.len(), cells.len());
            return Err(GraphError::new("cells", reason));
        }
        for (index, (shape, cell)) in self.cells.iter().zip(cells).enumerate() {
            self.check_cell(shape, cell)
                .map_err(|error| GraphError::new(format!("cells[{index}].{}", error.path), error.reason))?;
        }
        Ok(())
    }

    fn check_cell(&self, shape: &CellShape, cell: &Cell) -> Result<(), GraphError> {
        if !shape.sizes().contains(&cell.n_nodes) {
            let (min, max) = (shape.sizes().start().to_owned(), shape.n_nodes);
            let allowed = if min == max { format!("{max}") } else { format!("{min} to {max}") };
            return Err(GraphError::new("n_nodes", format!("{} nodes are not {allowed}", cell.n_nodes)));
        }
        let n_expected = match self.placement {
            Placement::Edge => 0,
            Placement::Node => cell.n_nodes - shape.n_inputs - 1,
        };
        if cell.node_operations.len() != n_expected {
            let reason = format!("{} operations where {n_expected} belong", cell.node_operations.len());
            return Err(GraphError::new("node_operations", reason));
        }
        for (index, &operation) in cell.node_operations.iter().enumerate() {
            self.check_operation(&format!("node_operations[{index}]"), operation)?;
        }
        if cell.edges.len() > MAX_EDGES {
            let reason = format!("{} edges are more than {MAX_EDGES}", cell.edges.len());
            return Err(GraphError::new("edges", reason));
        }
        for (index, edge) in cell.edges.iter().enumerate() {
            self.check_edge(&format!("edges[{index}]"), edge, shape.n_inputs..cell.n_nodes)?;
        }
        self.check_wiring(shape, cell)?;
        if self.dead_nodes == DeadNodes::Pruned && !self.liveness(shape, cell).is_connected() {
            return Err(GraphError::new("edges", "no path leads from an input to the output"));
        }
        Ok(())
    }

    fn check_edge(&self, path: &str, edge: &Edge, targets: std::ops::Range<usize>) -> Result<(), GraphError> {
        if !targets.contains(&edge.target) {
            let reason = format!("no edge enters node {}, only {targets:?}", edge.target);
            return Err(GraphError::new(format!("{path}.target"), reason));
        }
        if edge.source >= edge.target {
            let reason = format!("node {} is not earlier than the target {}", edge.source, edge.target);
            return Err(GraphError::new(format!("{path}.source"), reason));
        }
        let path = format!("{path}.operation");
        match (self.placement, edge.operation) {
            (Placement::Edge, Some(operation)) => self.check_operation(&path, operation),
            (Placement::Edge, None) => Err(GraphError::new(path, "missing, operations sit on the edges")),
            (Placement::Node, Some(_)) => Err(GraphError::new(path, "operations sit on the nodes only")),
            (Placement::Node, None) => Ok(()),
        }
    }

    fn check_operation(&self, path: &str, OperationIndex(index): OperationIndex) -> Result<(), GraphError> {
        if index < self.operations.len() {
            Ok(())
        } else {
            let reason =
                format!("{index} is no operation of {}, there are {}", self.name, self.operations.len());
            Err(GraphError::new(path, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::nasbench201;

    const TEXT: &str = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|";

    fn cells() -> Vec<Cell> {
        nasbench201().parse(TEXT).expect("valid").cells().to_vec()
    }

    fn refusal(change: impl FnOnce(&mut Vec<Cell>)) -> String {
        let mut cells = cells();
        change(&mut cells);
        nasbench201().architecture(cells).expect_err("changed for the worse").to_string()
    }

    #[test]
    fn a_graph_prints_as_its_text() {
        assert_eq!(nasbench201().architecture(cells()).expect("valid").text(), TEXT);
    }

    #[test]
    fn a_wrong_graph_is_refused_with_the_field_named() {
        let cases = [
            (refusal(Vec::clear), "cells: nasbench201 has 1 cells, not 0"),
            (refusal(|cells| cells[0].n_nodes = 5), "cells[0].n_nodes: 5 nodes are not 4"),
            (refusal(|cells| cells[0].n_nodes = 1), "cells[0].n_nodes: 1 nodes are not 4"),
            (
                refusal(|cells| cells[0].node_operations.push(OperationIndex(0))),
                "cells[0].node_operations: 1 operations where 0 belong",
            ),
            (
                refusal(|cells| cells[0].edges[3].operation = None),
                "cells[0].edges[3].operation: missing, operations sit on the edges",
            ),
            (
                refusal(|cells| cells[0].edges[3].operation = Some(OperationIndex(5))),
                "cells[0].edges[3].operation: 5 is no operation of nasbench201, there are 5",
            ),
            (
                refusal(|cells| cells[0].edges[5].target = 4),
                "cells[0].edges[5].target: no edge enters node 4, only 1..4",
            ),
            (
                refusal(|cells| cells[0].edges[2].source = 3),
                "cells[0].edges[2].source: node 3 is not earlier than the target 2",
            ),
            (
                refusal(|cells| cells[0].edges = vec![cells[0].edges[0]; 129]),
                "cells[0].edges: 129 edges are more than 128",
            ),
            (
                refusal(|cells| cells[0].edges.swap(1, 2)),
                "cells[0].edges[1]: 1 -> 2 where a complete cell has 0 -> 2",
            ),
            (
                refusal(|cells| cells[0].edges.truncate(5)),
                "cells[0].edges: 5 edges where a complete cell has 6",
            ),
        ];
        for (refusal, message) in cases {
            assert_eq!(refusal, message);
        }
    }
}
