//! Random cells of spaces whose architectures choose their edges.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::space::{Cell, CellShape, Edge, OperationIndex, OutputEdges, Placement, Role, SearchSpace};

/// A uniform number below `n`. As a `u64`, because `usize` would draw otherwise on 32 bits.
pub(super) fn below(n: u64, rng: &mut ChaCha8Rng) -> usize {
    rng.random_range(0..n) as usize
}

impl SearchSpace {
    /// Every inner node draws its operation and the nodes it reads.
    pub(super) fn draw_per_node(
        &self,
        shape: &CellShape,
        (n_edges, may_repeat): (usize, bool),
        output: OutputEdges,
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

    /// Each edge there can be is drawn with even chances, or fewer where so many would be too many. Where all
    /// nodes have to be there, those without a way in or out get one; else dead nodes are left out again.
    pub(super) fn draw_free(&self, shape: &CellShape, max_edges: usize, rng: &mut ChaCha8Rng) -> Cell {
        let pairs: Vec<(usize, usize)> = super::complete_edges(shape).collect();
        let chance = f64::min(0.5, max_edges as f64 / pairs.len() as f64);
        let mut ends: Vec<(usize, usize)> = pairs.into_iter().filter(|_| rng.random_bool(chance)).collect();
        let has_one_size = shape.sizes().count() == 1;
        if has_one_size {
            connect(shape, &mut ends, rng);
        }
        ends.sort_unstable_by_key(|&(source, target)| (target, source));
        let edges = ends.into_iter().map(|(source, target)| Edge {
            source,
            target,
            operation: (self.placement == Placement::Edge).then(|| self.draw_operation(rng)),
        });
        let edges = edges.collect();
        let node_operations = match self.placement {
            Placement::Edge => Vec::new(),
            Placement::Node => {
                (shape.n_inputs..shape.n_nodes - 1).map(|_| self.draw_operation(rng)).collect()
            }
        };
        let cell = Cell { n_nodes: shape.n_nodes, node_operations, edges };
        if has_one_size { cell } else { self.without_dead_nodes(shape, &cell) }
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

/// Adds edges until every inner node reads one node and is read by one, and the output reads one.
fn connect(shape: &CellShape, ends: &mut Vec<(usize, usize)>, rng: &mut ChaCha8Rng) {
    for node in shape.n_inputs..shape.n_nodes {
        if ends.iter().all(|(_, target)| *target != node) {
            ends.push((below(node as u64, rng), node));
        }
    }
    for node in shape.n_inputs..shape.n_nodes - 1 {
        if ends.iter().all(|(source, _)| *source != node) {
            let n_later = (shape.n_nodes - 1 - node) as u64;
            ends.push((node, node + 1 + below(n_later, rng)));
        }
    }
}

fn shuffled(mut items: Vec<usize>, rng: &mut ChaCha8Rng) -> Vec<usize> {
    items.shuffle(rng);
    items
}
