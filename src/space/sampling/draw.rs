//! Random cells of spaces whose architectures choose their edges.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::space::{Cell, CellShape, Edge, OperationIndex, PerNode, Placement, Role, SearchSpace};

/// How likely a cell that may be smaller has one node fewer, again and again.
const SMALLER: f64 = 0.2;

/// A uniform number below `n`. As a `u64`, because `usize` would draw otherwise on 32 bits.
pub(super) fn below(n: u64, rng: &mut ChaCha8Rng) -> usize {
    rng.random_range(0..n) as usize
}

impl SearchSpace {
    /// Every inner node draws its operation and the nodes it reads.
    pub(super) fn draw_per_node(
        &self,
        shape: &CellShape,
        PerNode { n_edges, may_repeat, output }: PerNode,
        rng: &mut ChaCha8Rng,
    ) -> Cell {
        let inner = shape.n_inputs..shape.n_nodes - 1;
        let mut chosen = Vec::with_capacity(inner.len() * n_edges);
        for target in inner.clone() {
            let mut sources: Vec<usize> = if may_repeat {
                (0..n_edges).map(|_| below(target as u64, rng)).collect()
            } else {
                shuffled((0..target).collect(), rng).into_iter().take(n_edges).collect()
            };
            sources.sort_unstable();
            chosen.extend(sources.into_iter().map(|source| Edge {
                source,
                target,
                operation: (self.placement == Placement::Edge).then(|| self.draw_operation(rng)),
            }));
        }
        let node_operations = match self.placement {
            Placement::Edge => Vec::new(),
            Placement::Node => inner.map(|_| self.draw_operation(rng)).collect(),
        };
        let edges = self.with_output_edges(shape, output, chosen);
        Cell { n_nodes: shape.n_nodes, node_operations, edges }
    }

    /// A cell of nearly always the largest sizes that the edges can connect, as most architectures have them: one way
    /// into and out of every node, then a random number of other edges.
    pub(super) fn draw_free(&self, shape: &CellShape, max_edges: usize, rng: &mut ChaCha8Rng) -> Cell {
        let mut n_nodes = shape.n_nodes.min(shape.n_inputs + max_edges);
        while n_nodes > *shape.sizes().start() && rng.random_bool(SMALLER) {
            n_nodes -= 1;
        }
        let shape = &CellShape { n_nodes, ..shape.clone() };
        let mut ends = Some(connected(shape, rng))
            .filter(|ends| ends.len() <= max_edges)
            .unwrap_or_else(|| chain(shape));
        let is_free = |pair: &(usize, usize)| !ends.contains(pair);
        let others = shuffled(super::complete_edges(shape).filter(is_free).collect(), rng);
        let n_most = max_edges.saturating_sub(ends.len()).min(others.len());
        let n_others = below(n_most as u64 + 1, rng);
        ends.extend(others.into_iter().take(n_others));
        ends.sort_unstable_by_key(|&(source, target)| (target, source));
        let edges = ends.into_iter().map(|(source, target)| Edge {
            source,
            target,
            operation: (self.placement == Placement::Edge).then(|| self.draw_operation(rng)),
        });
        let edges = edges.collect();
        let node_operations = match self.placement {
            Placement::Edge => Vec::new(),
            Placement::Node => (shape.n_inputs..n_nodes - 1).map(|_| self.draw_operation(rng)).collect(),
        };
        Cell { n_nodes, node_operations, edges }
    }

    fn draw_operation(&self, rng: &mut ChaCha8Rng) -> OperationIndex {
        let connecting: Vec<usize> =
            (0..self.operations.len()).filter(|index| self.operations[*index].role != Role::None).collect();
        match connecting.as_slice() {
            [] => OperationIndex(0),
            connecting => OperationIndex(connecting[below(connecting.len() as u64, rng)]),
        }
    }
}

/// Edges by which every inner node reads one node and is read by one, and the output reads one.
fn connected(shape: &CellShape, rng: &mut ChaCha8Rng) -> Vec<(usize, usize)> {
    let mut ends: Vec<(usize, usize)> =
        (shape.n_inputs..shape.n_nodes).map(|node| (below(node as u64, rng), node)).collect();
    for node in shape.n_inputs..shape.n_nodes - 1 {
        if ends.iter().all(|(source, _)| *source != node) {
            let n_later = (shape.n_nodes - 1 - node) as u64;
            ends.push((node, node + 1 + below(n_later, rng)));
        }
    }
    ends
}

/// The fewest edges that connect all inner nodes: each reads the node before it.
fn chain(shape: &CellShape) -> Vec<(usize, usize)> {
    (shape.n_inputs..shape.n_nodes).map(|node| (node - 1, node)).collect()
}

fn shuffled<T>(mut items: Vec<T>, rng: &mut ChaCha8Rng) -> Vec<T> {
    items.shuffle(rng);
    items
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::space::{Definition, SearchSpace, Wiring, nasbench101};

    #[test]
    fn a_space_whose_edges_just_connect_its_nodes_is_drawn_from() {
        let definition = Definition {
            name: "chains".to_owned(),
            wiring: Wiring::Free { max_edges: 6 },
            ..nasbench101().definition()
        };
        let space = Arc::new(SearchSpace::custom(definition).expect("sound"));
        let sample = space.sample(20, 0);
        assert_eq!(sample.len(), 20);
        assert!(sample.iter().any(|architecture| architecture.cells()[0].n_nodes == 7), "{sample:?}");
    }
}
