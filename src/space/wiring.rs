//! Which edges a definition wants of a cell, and which it derives.

use crate::space::{
    Cell, CellShape, DeadNodes, Edge, GraphError, OutputEdges, PerNode, Placement, SearchSpace, Wiring,
};

/// Source and target of every edge of a complete cell, grouped by target.
pub(in crate::space) fn complete_edges(
    shape: &CellShape,
) -> impl Iterator<Item = (usize, usize)> + Clone + use<> {
    (shape.n_inputs..shape.n_nodes).flat_map(|target| (0..target).map(move |source| (source, target)))
}

/// The sources of the edges into the output, ascending, where the others settle them.
pub(in crate::space) fn output_sources(
    shape: &CellShape,
    output: OutputEdges,
    chosen: &[Edge],
) -> impl Iterator<Item = usize> {
    let is_read = move |node: usize| match output {
        OutputEdges::InnerNodes => true,
        OutputEdges::LooseEnds => chosen.iter().all(|edge| edge.source != node),
    };
    (shape.n_inputs..shape.n_nodes - 1).filter(move |node| is_read(*node))
}

impl SearchSpace {
    /// The whole list of edges where `chosen`, those into inner nodes, settle the ones into the output.
    pub(in crate::space) fn with_output_edges(
        &self,
        shape: &CellShape,
        output: OutputEdges,
        chosen: Vec<Edge>,
    ) -> Vec<Edge> {
        let operation = match self.placement {
            Placement::Edge => self.first_skip(),
            Placement::Node => None,
        };
        let target = shape.n_nodes - 1;
        let derived: Vec<Edge> =
            output_sources(shape, output, &chosen).map(|source| Edge { source, target, operation }).collect();
        chosen.into_iter().chain(derived).collect()
    }

    /// Checks the edges of a cell whose every edge is possible in itself.
    pub(in crate::space) fn check_wiring(&self, shape: &CellShape, cell: &Cell) -> Result<(), GraphError> {
        match self.wiring {
            Wiring::Complete => check_ends(&cell.edges, complete_edges(shape), "a complete cell"),
            Wiring::Free { max_edges } => self.check_free(shape, cell, max_edges),
            Wiring::PerNode(per_node) => self.check_per_node(shape, cell, per_node),
        }
    }

    fn check_free(&self, shape: &CellShape, cell: &Cell, max_edges: usize) -> Result<(), GraphError> {
        for (index, edge) in cell.edges.iter().enumerate() {
            let ends = |edge: &Edge| (edge.source, edge.target);
            if cell.edges[..index].iter().any(|other| ends(other) == ends(edge)) {
                let reason = format!("a second edge {} -> {}", edge.source, edge.target);
                return Err(GraphError::new(format!("edges[{index}]"), reason));
            }
        }
        let n_edges = match self.dead_nodes {
            DeadNodes::Kept => cell.edges.len(),
            DeadNodes::Pruned => self.liveness(shape, cell).edges.iter().filter(|is_live| **is_live).count(),
        };
        if n_edges > max_edges {
            return Err(GraphError::new("edges", format!("{n_edges} edges are more than {max_edges}")));
        }
        Ok(())
    }

    fn check_per_node(
        &self,
        shape: &CellShape,
        cell: &Cell,
        PerNode { n_edges, may_repeat, output }: PerNode,
    ) -> Result<(), GraphError> {
        let n_chosen = (shape.n_nodes - 1 - shape.n_inputs) * n_edges;
        let chosen = &cell.edges[..n_chosen.min(cell.edges.len())];
        for (index, edge) in chosen.iter().enumerate() {
            let target = shape.n_inputs + index / n_edges;
            let siblings = &chosen[index / n_edges * n_edges..index];
            if edge.target != target {
                let reason = format!("{} where the edges into node {target} belong", edge.target);
                return Err(GraphError::new(format!("edges[{index}].target"), reason));
            }
            if !may_repeat && siblings.iter().any(|sibling| sibling.source == edge.source) {
                let reason = format!("node {target} reads node {} already", edge.source);
                return Err(GraphError::new(format!("edges[{index}].source"), reason));
            }
        }
        if chosen.len() < n_chosen {
            let reason = format!("{} edges where {n_chosen} and those into the output belong", chosen.len());
            return Err(GraphError::new("edges", reason));
        }
        let expected = self.with_output_edges(shape, output, chosen.to_vec());
        check_ends(&cell.edges, expected.iter().map(|edge| (edge.source, edge.target)), "the cell")?;
        match cell.edges.iter().zip(&expected).position(|(edge, expected)| edge != expected) {
            None => Ok(()),
            Some(index) => {
                let skip = self.first_skip().map_or("a skip", |skip| &self.operation(skip).name);
                let reason = format!("edges into the output carry the space's first skip, {skip}");
                Err(GraphError::new(format!("edges[{index}].operation"), reason))
            }
        }
    }
}

/// Whether edges are exactly those between `expected` sources and targets, in their order.
fn check_ends(
    edges: &[Edge],
    expected: impl Iterator<Item = (usize, usize)> + Clone,
    of: &str,
) -> Result<(), GraphError> {
    for (index, (edge, (source, target))) in edges.iter().zip(expected.clone()).enumerate() {
        if (edge.source, edge.target) != (source, target) {
            let reason = format!("{} -> {} where {of} has {source} -> {target}", edge.source, edge.target);
            return Err(GraphError::new(format!("edges[{index}]"), reason));
        }
    }
    let (n_edges, n_expected) = (edges.len(), expected.count());
    if n_edges != n_expected {
        let reason = format!("{n_edges} edges where {of} has {n_expected}");
        return Err(GraphError::new("edges", reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::space::{Cell, OperationIndex, darts, enas, nasbench101};

    fn refusal(change: impl FnOnce(&mut Cell)) -> String {
        let mut cells = darts().sample(1, 1)[0].cells().to_vec();
        change(&mut cells[1]);
        darts().architecture(cells).expect_err("changed for the worse").to_string()
    }

    /// The sample begins with edges 0 -> 2, 1 -> 2, 0 -> 3, 1 -> 3.
    #[test]
    fn edges_that_are_not_so_many_per_node_are_refused_with_the_field_named() {
        let cases = [
            (
                refusal(|cell| cell.edges.swap(1, 2)),
                "cells[1].edges[1].target: 3 where the edges into node 2 belong",
            ),
            (
                refusal(|cell| cell.edges[1].source = 0),
                "cells[1].edges[1].source: node 2 reads node 0 already",
            ),
            (
                refusal(|cell| cell.edges.truncate(7)),
                "cells[1].edges: 7 edges where 8 and those into the output belong",
            ),
            (refusal(|cell| cell.edges.truncate(11)), "cells[1].edges: 11 edges where the cell has 12"),
            (refusal(|cell| cell.edges.swap(8, 9)), "cells[1].edges[8]: 3 -> 6 where the cell has 2 -> 6"),
            (
                refusal(|cell| cell.edges[11].operation = Some(OperationIndex(1))),
                "cells[1].edges[11].operation: edges into the output carry the space's first skip, skip_connect",
            ),
        ];
        for (refusal, message) in cases {
            assert_eq!(refusal, message);
        }
    }

    #[test]
    fn loose_ends_are_the_nodes_that_no_inner_node_reads() {
        for architecture in enas().sample(100, 2) {
            for cell in architecture.cells() {
                let (chosen, derived) = cell.edges.split_at(10);
                for node in 2..7 {
                    let is_read_inside = chosen.iter().any(|edge| edge.source == node);
                    let is_read_by_output = derived.iter().any(|edge| edge.source == node);
                    assert_ne!(is_read_inside, is_read_by_output, "node {node} of {architecture}");
                }
            }
        }
    }

    #[test]
    fn free_edges_may_come_in_any_order_but_not_twice() {
        let module = &nasbench101().sample(1, 1)[0];
        let mut cell = module.cells()[0].clone();
        cell.edges.reverse();
        assert_eq!(nasbench101().architecture(vec![cell.clone()]).expect("valid"), *module);
        let (n_edges, crate::space::Edge { source, target, .. }) = (cell.edges.len(), cell.edges[0]);
        cell.edges.push(cell.edges[0]);
        let refused = nasbench101().architecture(vec![cell]).expect_err("an edge twice").to_string();
        assert_eq!(refused, format!("cells[0].edges[{n_edges}]: a second edge {source} -> {target}"));
    }
}
