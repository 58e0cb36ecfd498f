//! All architectures of a space, or some of them.

mod draw;

use std::collections::HashSet;
use std::iter;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use self::draw::below;
use crate::space::wiring::complete_edges;
use crate::space::{
    Architecture, Cell, CellShape, DeadNodes, Edge, OperationIndex, Placement, Role, SearchSpace, Wiring,
};

/// Draws that may bring nothing new in all, and for each architecture asked for; after that a space counts as
/// exhausted.
const MAX_VAIN_DRAWS: usize = 10_000;
const MAX_VAIN_DRAWS_EACH: usize = 16;

impl SearchSpace {
    /// How many architectures the space has as written, isomorphic ones counted each. `None` where they are too
    /// many for a `u64`, or not every choice of operations is one: architectures choose their edges too, or
    /// missing connections may leave none that is connected.
    #[must_use]
    pub fn n_architectures(&self) -> Option<u64> {
        let may_be_unconnected = self.dead_nodes == DeadNodes::Pruned
            && self.operations.iter().any(|operation| operation.role == Role::None);
        if self.wiring != Wiring::Complete || may_be_unconnected {
            return None;
        }
        let n_operations = u64::try_from(self.operations.len()).ok()?;
        n_operations.checked_pow(u32::try_from(self.n_choices()).ok()?)
    }

    /// Every architecture of the space once: the operation written last changes fastest, in the
    /// order of [`SearchSpace::operations`]. `None` where [`Self::n_architectures`] is.
    #[must_use]
    pub fn enumerate(self: &Arc<Self>) -> Option<impl Iterator<Item = Architecture> + use<>> {
        let n_architectures = self.n_architectures()?;
        let space = Arc::clone(self);
        Some((0..n_architectures).filter_map(move |index| {
            let operations = space.digits(index);
            space.architecture(space.complete_cells(operations)).ok()
        }))
    }

    /// `n` random architectures, no two written the same; fewer where the space seems to have no more.
    ///
    /// With complete wiring operations are drawn uniformly. Else connecting operations are (`none` never); with
    /// edges per node each node draws uniformly what it reads; with free edges each node gets a way in and a way out,
    /// and there is a random number of other edges.
    ///
    /// The same seed draws the same architectures on every platform, and a larger `n` only adds more.
    #[must_use]
    pub fn sample(self: &Arc<Self>, n: usize, seed: u64) -> Vec<Architecture> {
        let n_distinct = self.n_architectures().and_then(|all| usize::try_from(all).ok());
        // Counted spaces are drawn from until all are there.
        let n_draws = match n_distinct {
            Some(_) => usize::MAX,
            None => MAX_VAIN_DRAWS.saturating_add(n.saturating_mul(1 + MAX_VAIN_DRAWS_EACH)),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut taken = HashSet::new();
        let draws = iter::repeat_with(|| self.draw(&mut rng)).take(n_draws).flatten();
        let new = draws.filter(|architecture| taken.insert(architecture.text().to_owned()));
        new.take(n.min(n_distinct.unwrap_or(usize::MAX))).collect()
    }

    /// How many operations an architecture writes where wiring is complete.
    fn n_choices(&self) -> usize {
        self.cells.iter().map(|shape| self.n_operations_of(shape)).sum()
    }

    fn n_operations_of(&self, shape: &CellShape) -> usize {
        match self.placement {
            Placement::Edge => complete_edges(shape).count(),
            Placement::Node => shape.n_nodes - shape.n_inputs - 1,
        }
    }

    /// The number `index` written in operations, the most significant first.
    fn digits(&self, index: u64) -> Vec<OperationIndex> {
        let n_operations = self.operations.len() as u64;
        let mut rest = index;
        let mut digits: Vec<_> = iter::repeat_with(|| {
            let digit = rest % n_operations;
            rest /= n_operations;
            OperationIndex(digit as usize)
        })
        .take(self.n_choices())
        .collect();
        digits.reverse();
        digits
    }

    /// The cells of complete wiring with these operations in written order.
    fn complete_cells(&self, operations: impl IntoIterator<Item = OperationIndex>) -> Vec<Cell> {
        let mut operations = operations.into_iter();
        let mut cell = |shape: &CellShape| {
            let mut chosen: Vec<_> = operations.by_ref().take(self.n_operations_of(shape)).collect();
            let on_edges = match self.placement {
                Placement::Edge => std::mem::take(&mut chosen),
                Placement::Node => Vec::new(),
            };
            let edges = complete_edges(shape).enumerate().map(|(index, (source, target))| Edge {
                source,
                target,
                operation: on_edges.get(index).copied(),
            });
            Cell { n_nodes: shape.n_nodes, edges: edges.collect(), node_operations: chosen }
        };
        self.cells.iter().map(&mut cell).collect()
    }

    /// One random architecture; `None` where the draw came to none, as an unconnected one in a space that has
    /// only connected ones.
    fn draw(self: &Arc<Self>, rng: &mut ChaCha8Rng) -> Option<Architecture> {
        let cells = match self.wiring {
            Wiring::Complete => {
                let n_operations = self.operations.len() as u64;
                let operations: Vec<_> =
                    (0..self.n_choices()).map(|_| OperationIndex(below(n_operations, rng))).collect();
                self.complete_cells(operations)
            }
            Wiring::Free { max_edges } => {
                self.cells.iter().map(|shape| self.draw_free(shape, max_edges, rng)).collect()
            }
            Wiring::PerNode(per_node) => {
                self.cells.iter().map(|shape| self.draw_per_node(shape, per_node, rng)).collect()
            }
        };
        self.architecture(cells).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::space::{nasbench101, nasbench201};

    fn texts(architectures: &[Architecture]) -> Vec<&str> {
        architectures.iter().map(Architecture::text).collect()
    }

    #[test]
    fn enumeration_lists_each_architecture_once() {
        let all: Vec<_> = nasbench201().enumerate().expect("finite").collect();
        assert_eq!(all.len(), 15_625);
        assert_eq!(nasbench201().n_architectures(), Some(15_625));
        assert_eq!(texts(&all).iter().collect::<HashSet<_>>().len(), 15_625);
        assert_eq!(all[1].text(), "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|");
    }

    #[test]
    fn a_seed_draws_the_same_architectures_everywhere_and_a_larger_sample_only_adds() {
        let sample = nasbench201().sample(3, 7);
        assert_eq!(
            texts(&sample),
            [
                "|none~0|+|none~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|skip_connect~2|",
                "|none~0|+|avg_pool_3x3~0|skip_connect~1|+|avg_pool_3x3~0|skip_connect~1|skip_connect~2|",
                "|nor_conv_1x1~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_1x1~0|skip_connect~1|none~2|",
            ]
        );
        assert_eq!(sample, nasbench201().sample(100, 7)[..3]);
        assert_ne!(sample, nasbench201().sample(3, 8));
    }

    #[test]
    fn a_sample_has_no_architecture_twice_and_at_most_all() {
        let sample = nasbench201().sample(20_000, 1);
        assert_eq!(sample.len(), 15_625);
        assert_eq!(texts(&sample).iter().collect::<HashSet<_>>().len(), 15_625);
    }

    fn pruned(operations: &str) -> Arc<SearchSpace> {
        let definition = include_str!("../registry/nasbench201.toml")
            .replace("skeleton = \"nasbench201\"", "dead_nodes = \"pruned\"");
        let (before, after) = definition.split_once("operations = [").expect("it has operations");
        let (_, after) = after.split_once(']').expect("they end");
        Arc::new(toml::from_str(&format!("{before}operations = [{operations}]{after}")).expect("sound"))
    }

    #[test]
    fn unconnected_choices_are_neither_counted_nor_drawn() {
        let space =
            pruned("{ name = \"none\", role = \"none\" }, { name = \"conv\", role = \"parametrised\" }");
        assert_eq!(space.n_architectures(), None);
        assert!(space.enumerate().is_none());
        let sample = space.sample(64, 1);
        // Of 64 choices those where node 3 is reached: every path there is one of 0-3, 0-1-3, 0-2-3, 0-1-2-3.
        assert_eq!(sample.len(), 47);
        assert!(pruned("{ name = \"none\", role = \"none\" }").sample(1, 1).is_empty());
    }

    #[test]
    fn modules_are_drawn_in_all_sizes_and_connected() {
        let sizes: HashSet<usize> =
            nasbench101().sample(5_000, 1).iter().map(|module| module.cells()[0].n_nodes).collect();
        assert_eq!(sizes, (2..=7).collect());
    }
}
