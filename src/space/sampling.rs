//! All architectures of a space, or some of them.

use std::collections::HashSet;
use std::iter;
use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::space::{Architecture, OperationIndex, SearchSpace};

impl SearchSpace {
    /// How many architectures the space has as written, isomorphic ones counted each. `None` where
    /// they are too many for a `u64`.
    #[must_use]
    pub fn n_architectures(&self) -> Option<u64> {
        let n_operations = u64::try_from(self.operations.len()).ok()?;
        n_operations.checked_pow(u32::try_from(self.notation.n_free_choices(self)).ok()?)
    }

    /// Every architecture of the space once: the operation written last changes fastest, in the
    /// order of [`SearchSpace::operations`]. `None` where there are too many to count.
    #[must_use]
    pub fn enumerate(self: &Arc<Self>) -> Option<impl Iterator<Item = Architecture> + use<>> {
        let n_architectures = self.n_architectures()?;
        let space = Arc::clone(self);
        Some((0..n_architectures).map(move |index| space.fill(&space.digits(index))))
    }

    /// `n` architectures drawn uniformly, no two written the same; all of them in random order where
    /// the space has fewer than `n`.
    ///
    /// The same seed draws the same architectures on every platform, and a larger `n` only adds more.
    #[must_use]
    pub fn sample(self: &Arc<Self>, n: usize, seed: u64) -> Vec<Architecture> {
        let n_distinct =
            self.n_architectures().and_then(|all| usize::try_from(all).ok()).unwrap_or(usize::MAX);
        let n_choices = self.notation.n_free_choices(self);
        let n_operations = self.operations.len() as u64;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = HashSet::new();
        iter::repeat_with(|| (0..n_choices).map(|_| OperationIndex(below(n_operations, &mut rng))).collect())
            .filter(|operations: &Vec<_>| drawn.insert(operations.clone()))
            .take(n.min(n_distinct))
            .map(|operations| self.fill(&operations))
            .collect()
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
        .take(self.notation.n_free_choices(self))
        .collect();
        digits.reverse();
        digits
    }

    fn fill(self: &Arc<Self>, operations: &[OperationIndex]) -> Architecture {
        let cells = self.notation.fill(self, operations);
        self.architecture(cells)
            .expect("every choice of operations is an architecture where choices are free")
    }
}

/// A uniform number below `n`. As a `u64`, because `usize` would draw otherwise on 32 bits.
fn below(n: u64, rng: &mut ChaCha8Rng) -> usize {
    rng.random_range(0..n) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::space::nasbench201;

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
}
