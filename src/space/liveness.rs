//! Which parts of a cell have a path from an input to the output.

use crate::space::{Cell, CellShape, Edge, OperationIndex, Role, SearchSpace};

/// What of a cell can make a difference to its output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// For each node, whether it lies on a path from an input to the output.
    pub nodes: Vec<bool>,
    /// For each edge as written, whether it does.
    pub edges: Vec<bool>,
}

impl Liveness {
    /// Whether there is any path from an input to the output.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.nodes.last().is_some_and(|output| *output)
    }
}

impl SearchSpace {
    /// Finds the paths of a cell of the given shape.
    #[must_use]
    pub fn liveness(&self, shape: &CellShape, cell: &Cell) -> Liveness {
        let carries = |operation: Option<OperationIndex>| {
            operation.is_none_or(|operation| self.operation(operation).role != Role::None)
        };
        let computes = |node: usize| carries(cell.node_operation(shape, node));
        let mut is_reached: Vec<bool> = (0..cell.n_nodes).map(|node| node < shape.n_inputs).collect();
        let mut is_read: Vec<bool> = (0..cell.n_nodes).map(|node| node + 1 == cell.n_nodes).collect();
        // Edges lead from earlier to later nodes, so one sweep in each direction sees every path.
        let mut by_target: Vec<_> = cell.edges.iter().filter(|edge| carries(edge.operation)).collect();
        by_target.sort_by_key(|edge| edge.target);
        for edge in by_target {
            is_reached[edge.target] |= is_reached[edge.source] && computes(edge.target);
        }
        let mut by_source: Vec<_> = cell.edges.iter().filter(|edge| carries(edge.operation)).collect();
        by_source.sort_by_key(|edge| std::cmp::Reverse(edge.source));
        for edge in by_source {
            is_read[edge.source] |= is_read[edge.target] && computes(edge.source);
        }
        let nodes: Vec<bool> =
            is_reached.iter().zip(&is_read).map(|(reached, read)| *reached && *read).collect();
        let is_live = |source: usize, target: usize| nodes[source] && nodes[target];
        let edges =
            cell.edges.iter().map(|edge| carries(edge.operation) && is_live(edge.source, edge.target));
        Liveness { edges: edges.collect(), nodes }
    }

    /// The cell without what has no path from an input to the output; inputs and output stay.
    ///
    /// # Panics
    /// Never: an edge lies on a path only together with its nodes.
    #[must_use]
    pub fn without_dead_nodes(&self, shape: &CellShape, cell: &Cell) -> Cell {
        let liveness = self.liveness(shape, cell);
        let stays = |node: usize| node < shape.n_inputs || node + 1 == cell.n_nodes || liveness.nodes[node];
        let kept: Vec<usize> = (0..cell.n_nodes).filter(|node| stays(*node)).collect();
        let number =
            |node: usize| kept.iter().position(|kept| *kept == node).expect("live edges join live nodes");
        let edges =
            cell.edges.iter().zip(&liveness.edges).filter(|(_, is_live)| **is_live).map(|(edge, _)| Edge {
                source: number(edge.source),
                target: number(edge.target),
                operation: edge.operation,
            });
        Cell {
            edges: edges.collect(),
            node_operations: kept.iter().filter_map(|node| cell.node_operation(shape, *node)).collect(),
            n_nodes: kept.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::space::{Liveness, darts, nasbench101};

    /// Node 1 leads nowhere, nothing leads to node 2, and node 4 is no connection.
    #[test]
    fn nodes_are_live_on_a_path_from_input_to_output() {
        let text = "{'module_adjacency': [[0,1,0,1,1,0],[0,0,0,0,0,0],[0,0,0,1,0,1],[0,0,0,0,0,1],[0,0,0,0,0,1],\
                    [0,0,0,0,0,0]], 'module_operations': ['input', 'maxpool3x3', 'maxpool3x3', 'maxpool3x3', 'none', \
                    'output']}";
        let module = nasbench101().parse(text).expect("valid");
        let Liveness { nodes, edges } = nasbench101().liveness(&nasbench101().cells[0], &module.cells()[0]);
        assert_eq!(nodes, [true, false, false, true, false, true]);
        // 0 -> 1, 0 -> 3, 0 -> 4, 2 -> 3, 2 -> 5, 3 -> 5, 4 -> 5
        assert_eq!(edges, [false, true, false, false, false, true, false]);
        let pruned = nasbench101().without_dead_nodes(&nasbench101().cells[0], &module.cells()[0]);
        assert_eq!((pruned.n_nodes, pruned.edges.len()), (3, 2));
    }

    #[test]
    fn an_input_that_nothing_reads_is_dead() {
        let cell = "('none', 0), ('skip_connect', 1), ('none', 0), ('skip_connect', 1), ('none', 0), \
                    ('skip_connect', 1), ('none', 0), ('none', 1)";
        let text = format!(
            "Genotype(normal=[{cell}], normal_concat=range(2, 6), reduce=[{cell}], reduce_concat=range(2, 6))"
        );
        let architecture = darts().parse(&text).expect("valid");
        let liveness = darts().liveness(&darts().cells[0], &architecture.cells()[0]);
        assert_eq!(liveness.nodes, [false, true, true, true, true, false, true]);
        assert!(liveness.is_connected());
    }
}
