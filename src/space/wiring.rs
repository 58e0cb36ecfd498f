//! Which edges a definition wants of a cell, and which it derives.

use crate::space::{
    Cell, CellShape, DeadNodes, Edge, GraphError, OutputEdges, Placement, SearchSpace, Wiring,
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
            Wiring::PerNode { n_edges, may_repeat, output } => {
                self.check_per_node(shape, cell, (n_edges, may_repeat), output)
            }
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
        (n_edges, may_repeat): (usize, bool),
        output: OutputEdges,
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
                let reason = "edges into the output carry the space's first skip";
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
