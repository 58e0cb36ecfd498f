//! How sure a rank correlation is, and the difference of two: the percentile bootstrap over items.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::kendall::n_pairs;
use super::{are_tied, kendall_tau};

/// How often items are drawn anew, and how far down among the results the lower bound lies. The same
/// values give the same bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Samples, each of as many items as there are, drawn with replacement.
    pub n_samples: usize,
    /// Share of the samples that fall below the lower bound, one-sided: .01 is a level of 99 %.
    pub tail: f64,
    /// Where all chance comes from.
    pub seed: u64,
}

/// A figure and how low it may be for all the items tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    /// For the items as they are.
    pub estimate: f64,
    /// Lower bound.
    pub lower: f64,
}

impl Bootstrap {
    /// Kendall's tau-b of `xs` and `ys` with its lower bound.
    ///
    /// `None` where tau is undefined. A sample for which it is undefined counts as the worst there can
    /// be.
    ///
    /// # Panics
    /// When the slices have different lengths.
    #[must_use]
    pub fn kendall_tau(&self, xs: &[f64], ys: &[f64]) -> Option<Bounded> {
        let estimate = kendall_tau(xs, ys)?;
        let mut tau = ResampledTau::new(xs, ys);
        let lower = self.lower_bound(xs.len(), |counts| tau.of(counts).unwrap_or(-1.0))?;
        Some(Bounded { estimate, lower })
    }

    /// How much more `xs` agrees with `truth` than `others` does, in Kendall's tau-b, with its lower
    /// bound. Both are drawn together, so that what they share cancels out.
    ///
    /// `None` where either tau is undefined. A sample for which one is undefined counts as the worst
    /// there can be.
    ///
    /// # Panics
    /// When the slices have different lengths.
    #[must_use]
    pub fn kendall_tau_gain(&self, xs: &[f64], others: &[f64], truth: &[f64]) -> Option<Bounded> {
        let estimate = kendall_tau(xs, truth)? - kendall_tau(others, truth)?;
        let (mut tau, mut tau_of_others) = (ResampledTau::new(xs, truth), ResampledTau::new(others, truth));
        let mut gain = |counts: &[u32]| Some(tau.of(counts)? - tau_of_others.of(counts)?);
        let lower = self.lower_bound(xs.len(), |counts| gain(counts).unwrap_or(-2.0))?;
        Some(Bounded { estimate, lower })
    }

    fn lower_bound(&self, n_items: usize, mut figure: impl FnMut(&[u32]) -> f64) -> Option<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut counts = vec![0; n_items];
        let mut figures: Vec<f64> = (0..self.n_samples)
            .map(|_| {
                counts.fill(0);
                for _ in 0..n_items {
                    counts[rng.random_range(0..n_items)] += 1;
                }
                figure(&counts)
            })
            .collect();
        figures.sort_unstable_by(f64::total_cmp);
        // Too few samples for the tail, or a tail that is NaN: the lowest.
        let position = ((self.tail * self.n_samples as f64).ceil() as usize).saturating_sub(1);
        figures.get(position.min(self.n_samples.saturating_sub(1))).copied()
    }
}

/// Kendall's tau-b of samples of the same items. What does not change from sample to sample, the order of
/// the items, is found once.
struct ResampledTau {
    /// Items by ascending x, in groups of equal x.
    groups: Vec<Vec<usize>>,
    /// The place of each item's y among the different ys.
    y_ranks: Vec<usize>,
    /// How often each y is in the part of the sample seen so far.
    n_at_y: Vec<u64>,
    /// Sums of that, so that "how many below" takes a logarithm of steps (Fenwick, 1994).
    tree: Vec<u64>,
}

impl ResampledTau {
    /// Of items without NaN.
    fn new(xs: &[f64], ys: &[f64]) -> Self {
        let groups = ascending_groups(xs);
        let by_y = ascending_groups(ys);
        let mut y_ranks = vec![0; ys.len()];
        for (rank, items) in by_y.iter().enumerate() {
            items.iter().for_each(|&item| y_ranks[item] = rank);
        }
        Self { groups, y_ranks, n_at_y: vec![0; by_y.len()], tree: vec![0; by_y.len() + 1] }
    }

    /// Tau of the sample that holds each item so many times; `None` where it is undefined.
    fn of(&mut self, counts: &[u32]) -> Option<f64> {
        self.n_at_y.fill(0);
        self.tree.fill(0);
        let (mut n_seen, mut agreement, mut tied_in_x) = (0, 0.0, 0);
        for index in 0..self.groups.len() {
            let mut n_in_group = 0;
            for &item in &self.groups[index] {
                let count = u64::from(counts[item]);
                if count > 0 {
                    let rank = self.y_ranks[item];
                    let n_below = self.n_below(rank);
                    let n_above = n_seen - n_below - self.n_at_y[rank];
                    agreement += count as f64 * (n_below as f64 - n_above as f64);
                    n_in_group += count;
                }
            }
            for position in 0..self.groups[index].len() {
                let item = self.groups[index][position];
                self.add(self.y_ranks[item], u64::from(counts[item]));
            }
            n_seen += n_in_group;
            tied_in_x += n_pairs(n_in_group);
        }
        let all = n_pairs(n_seen);
        let tied_in_y: u64 = self.n_at_y.iter().copied().map(n_pairs).sum();
        let (untied_in_x, untied_in_y) = ((all - tied_in_x) as f64, (all - tied_in_y) as f64);
        let tau = agreement / (untied_in_x * untied_in_y).sqrt();
        (!tau.is_nan()).then_some(tau)
    }

    fn add(&mut self, rank: usize, count: u64) {
        if count == 0 {
            return;
        }
        self.n_at_y[rank] += count;
        let mut node = rank + 1;
        while node < self.tree.len() {
            self.tree[node] += count;
            node += node & node.wrapping_neg();
        }
    }

    fn n_below(&self, rank: usize) -> u64 {
        let (mut node, mut sum) = (rank, 0);
        while node > 0 {
            sum += self.tree[node];
            node &= node - 1;
        }
        sum
    }
}

/// Positions by ascending value, equal values together.
fn ascending_groups(values: &[f64]) -> Vec<Vec<usize>> {
    let mut positions: Vec<usize> = (0..values.len()).collect();
    positions.sort_by(|&a, &b| values[a].partial_cmp(&values[b]).expect("NaN is refused before"));
    positions.chunk_by(|&a, &b| are_tied(values[a], values[b])).map(<[usize]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { n_samples: 1_000, tail: 0.01, seed: 7 };

    /// `n` labels, and predictions as far off as `scale` says.
    fn predicted(n: usize, scale: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let label = |rng: &mut ChaCha8Rng| rng.random_range(0.0..1.0);
        let truth: Vec<f64> = (0..n).map(|_| label(&mut rng)).collect();
        let predictions = truth.iter().map(|truth| truth + scale * (label(&mut rng) - 0.5)).collect();
        (predictions, truth)
    }

    fn counted() -> impl Strategy<Value = Vec<(i8, i8, u32)>> {
        prop::collection::vec((-3_i8..4, -3_i8..4, 0_u32..4), 0..30)
    }

    proptest! {
        #[test]
        fn tau_of_a_sample_is_tau_of_its_items_one_by_one(items in counted()) {
            let xs: Vec<f64> = items.iter().map(|item| f64::from(item.0)).collect();
            let ys: Vec<f64> = items.iter().map(|item| f64::from(item.1)).collect();
            let counts: Vec<u32> = items.iter().map(|item| item.2).collect();
            let drawn = |values: &[f64]| -> Vec<f64> {
                let repeat = |(value, count): (&f64, &u32)| vec![*value; *count as usize];
                values.iter().zip(&counts).flat_map(repeat).collect()
            };
            let fast = ResampledTau::new(&xs, &ys).of(&counts);
            match (fast, kendall_tau(&drawn(&xs), &drawn(&ys))) {
                (Some(fast), Some(slow)) => prop_assert!((fast - slow).abs() < 1e-12),
                (fast, slow) => prop_assert_eq!(fast, slow),
            }
        }
    }

    #[test]
    fn a_predictor_is_no_better_than_itself() {
        let (predictions, truth) = predicted(60, 1.0, 1);
        let doubled: Vec<f64> = predictions.iter().map(|prediction| 2.0 * prediction).collect();
        let gain = BOOTSTRAP.kendall_tau_gain(&predictions, &doubled, &truth);
        assert_eq!(gain, Some(Bounded { estimate: 0.0, lower: 0.0 }), "only order counts");
    }

    #[test]
    fn one_that_is_clearly_better_is_so_at_the_lower_bound() {
        let (good, truth) = predicted(200, 0.2, 1);
        let (noise, _) = predicted(200, 1.0, 2);
        let gain = BOOTSTRAP.kendall_tau_gain(&good, &noise, &truth).expect("defined");
        assert!(0.5 < gain.lower && gain.lower < gain.estimate, "{gain:?}");
        let loss = BOOTSTRAP.kendall_tau_gain(&noise, &good, &truth).expect("defined");
        assert!(loss.lower < loss.estimate && loss.estimate < -0.5, "{loss:?}");
    }

    #[test]
    fn the_bound_is_lower_with_fewer_items_and_a_smaller_tail() {
        let bound = |n, tail| {
            let (predictions, truth) = predicted(n, 2.0, 3);
            Bootstrap { tail, ..BOOTSTRAP }.kendall_tau(&predictions, &truth).expect("defined")
        };
        let (few, many) = (bound(20, 0.01), bound(400, 0.01));
        assert!(few.estimate - few.lower > 2.0 * (many.estimate - many.lower), "{few:?} {many:?}");
        assert!(bound(400, 0.001).lower < many.lower);
        assert_eq!(bound(400, f64::NAN), bound(400, 0.0), "a tail that is none is the safest one");
    }

    /// By the normal theory the standard error of tau without correlation is
    /// sqrt(2 (2n + 5) / (9 n (n - 1))).
    #[test]
    fn the_bound_of_noise_is_where_the_theory_has_it() {
        let n = 200;
        let error = (2.0 * (2.0 * 200.0 + 5.0) / (9.0 * 200.0 * 199.0_f64)).sqrt();
        let bootstrap = Bootstrap { n_samples: 4_000, tail: 0.158_655, seed: 1 };
        let ((noise, _), (_, truth)) = (predicted(n, 1.0, 5), predicted(n, 1.0, 6));
        let bounded = bootstrap.kendall_tau(&noise, &truth).expect("defined");
        let distance = (bounded.estimate - bounded.lower) / error;
        assert!((distance - 1.0).abs() < 0.15, "{distance} standard errors");
    }

    #[test]
    fn the_same_seed_gives_the_same_bound_and_another_one_another() {
        let (predictions, truth) = predicted(50, 2.0, 3);
        let bound = |seed| Bootstrap { seed, ..BOOTSTRAP }.kendall_tau(&predictions, &truth);
        assert_eq!(bound(1), bound(1));
        assert_ne!(bound(1), bound(2));
    }

    #[test]
    fn there_is_no_bound_where_there_is_no_tau() {
        for xs in [vec![], vec![1.0], vec![1.0, 1.0], vec![1.0, f64::NAN]] {
            let truth: Vec<f64> = (0_u8..).map(f64::from).take(xs.len()).collect();
            assert_eq!(BOOTSTRAP.kendall_tau(&xs, &truth), None);
            assert_eq!(BOOTSTRAP.kendall_tau_gain(&xs, &truth, &truth), None);
            assert_eq!(BOOTSTRAP.kendall_tau_gain(&truth, &xs, &truth), None);
        }
        assert_eq!(Bootstrap { n_samples: 0, ..BOOTSTRAP }.kendall_tau(&[1.0, 2.0], &[1.0, 2.0]), None);
        let two = BOOTSTRAP.kendall_tau(&[1.0, 2.0], &[1.0, 2.0]).expect("defined");
        assert_eq!((two.estimate, two.lower), (1.0, -1.0), "every other sample of two has no order");
    }
}
