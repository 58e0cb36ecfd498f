//! From raw scores to the unit of the task, learnt from predictions for architectures that, as
//! written, the predictor was not trained on.
//!
//! The training set is cut into folds; a predictor trained on all but one fold scores that fold.
//! Ranking scores of two predictors share no scale, so a score is first turned into its position,
//! 0 to 1, among the same predictor's scores of a fixed sample of the space. The mean label as a
//! function of position, made monotone by centred isotonic regression (Oron and Flournoy, 2017), is
//! then read as a function of the final predictor's scores through its own scores of that sample. The
//! holdout takes no part.

use sha2::{Digest, Sha256};

use crate::fit::dataset::Dataset;
use crate::model::Calibration;
use crate::space::Architecture;

/// Architectures in the sample of the space.
pub const REFERENCE_SIZE: usize = 4_096;
/// Knots of a calibration, at most.
const MAX_BINS: usize = 128;
/// Labels whose mean makes a knot, at least.
const MIN_BIN_SIZE: usize = 16;
/// Labels that make the two knots a calibration has at least.
pub const MIN_CALIBRATION_SIZE: usize = 2 * MIN_BIN_SIZE;

/// The scores of one predictor for the sample of the space.
#[derive(Clone, Debug)]
pub struct ReferenceScores {
    ascending: Vec<f64>,
}

impl ReferenceScores {
    /// From the scores, at least one, in any order.
    #[must_use]
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        Self { ascending: scores }
    }

    /// Where a score stands among the scores: 0 below all, 1 above all, equal ones counted half.
    #[must_use]
    pub fn position(&self, score: f64) -> f64 {
        let n_below = self.ascending.partition_point(|other| *other < score);
        let n_up_to = self.ascending.partition_point(|other| *other <= score);
        (n_below + n_up_to) as f64 / (2 * self.ascending.len()) as f64
    }

    /// The score that stands at a position, interpolated.
    #[must_use]
    pub fn score_at(&self, position: f64) -> f64 {
        let last = self.ascending.len() - 1;
        let rank = (position * self.ascending.len() as f64 - 0.5).clamp(0.0, last as f64);
        let below = rank.floor();
        let (low, high) = (self.ascending[below as usize], self.ascending[(below as usize + 1).min(last)]);
        low + (rank - below) * (high - low)
    }
}

/// The fold, of `n_folds`, that an architecture as written belongs to. Isomorphic cells may be in
/// several: where one class is large and alike, as cells without a path are, a predictor that had seen
/// none of it would score it anywhere, and the labels beside it with it.
///
/// # Panics
/// Without folds.
#[must_use]
pub fn fold_of(architecture: &Architecture, n_folds: usize, seed: u64) -> usize {
    let digest = Sha256::new()
        .chain_update("fold")
        .chain_update(seed.to_le_bytes())
        .chain_update(architecture.text())
        .finalize();
    (u64::from_be_bytes(std::array::from_fn(|i| digest[i])) % n_folds as u64) as usize
}

/// Learns a calibration from `(position, label)` of architectures out of their fold, or `None` where
/// labels do not get better with the scores.
#[must_use]
pub fn calibration(
    points: Vec<(f64, f64)>,
    final_scores: &ReferenceScores,
    dataset: &Dataset,
) -> Option<Calibration> {
    let merits = points.into_iter().map(|(position, label)| (position, dataset.goal.merit(label)));
    let mut knots: Vec<(f64, f64)> = pool_adjacent_violators(bins(merits.collect()))
        .into_iter()
        .map(|block| (final_scores.score_at(block.position()), dataset.goal.merit(block.merit())))
        .collect();
    knots.dedup_by(|next, kept| next.0 <= kept.0);
    Calibration::new(knots, dataset.unit.valid_range().into_inner()).ok()
}

/// Neighbouring points that share one value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Block {
    position_sum: f64,
    merit_sum: f64,
    n: usize,
}

impl Block {
    fn position(&self) -> f64 {
        self.position_sum / self.n as f64
    }

    fn merit(&self) -> f64 {
        self.merit_sum / self.n as f64
    }

    fn and(self, other: Self) -> Self {
        Self {
            position_sum: self.position_sum + other.position_sum,
            merit_sum: self.merit_sum + other.merit_sum,
            n: self.n + other.n,
        }
    }
}

/// The points `(position, merit)` in ascending groups of similar size. Equal positions share a group,
/// for the predictor cannot tell them apart.
fn bins(mut points: Vec<(f64, f64)>) -> Vec<Block> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bin_size = points.len().div_ceil(MAX_BINS).max(MIN_BIN_SIZE);
    let mut bins: Vec<Block> = Vec::new();
    for tied in points.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let tied = tied.iter().fold(Block::default(), |sum, &(position, merit)| {
            sum.and(Block { position_sum: position, merit_sum: merit, n: 1 })
        });
        match bins.last_mut() {
            Some(last) if last.n < bin_size => *last = last.and(tied),
            _ => bins.push(tied),
        }
    }
    if let Some(short) = bins.pop_if(|last| last.n < MIN_BIN_SIZE) {
        match bins.last_mut() {
            Some(last) => *last = last.and(short),
            None => bins.push(short),
        }
    }
    bins
}

/// The strictly increasing sequence of means nearest to the merits (isotonic regression, each block
/// read at its mean position).
fn pool_adjacent_violators(bins: Vec<Block>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for mut block in bins {
        while let Some(last) = blocks.pop_if(|last| last.merit() >= block.merit()) {
            block = last.and(block);
        }
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Goal, Unit};
    use crate::space;

    #[test]
    fn a_position_leads_back_to_its_score() {
        let scores = ReferenceScores::new(vec![3.0, -1.0, 0.5, 2.0]);
        for score in [-1.0, 0.5, 2.0, 3.0] {
            assert!((scores.score_at(scores.position(score)) - score).abs() < 1e-12);
        }
        assert_eq!((scores.position(-9.0), scores.position(9.0)), (0.0, 1.0));
        assert_eq!((scores.score_at(0.0), scores.score_at(1.0)), (-1.0, 3.0));
    }

    #[test]
    fn violators_are_pooled_into_their_mean() {
        let bins = [1.0, 3.0, 2.0, 2.0, 5.0].map(|merit| Block { position_sum: 0.0, merit_sum: merit, n: 1 });
        let merits: Vec<f64> = pool_adjacent_violators(bins.to_vec()).iter().map(Block::merit).collect();
        assert_eq!(merits, [1.0, 7.0 / 3.0, 5.0]);
    }

    #[test]
    fn bins_are_large_enough_and_hold_what_is_tied_together() {
        let apart = (0..40).map(|i| (f64::from(i), 1.0));
        let sizes = |points: Vec<(f64, f64)>| bins(points).iter().map(|bin| bin.n).collect::<Vec<_>>();
        assert_eq!(sizes(apart.clone().collect()), [16, 24]);
        assert_eq!(sizes(apart.chain((0..50).map(|_| (3.0, 0.0))).collect()), [54, 16, 20]);
        assert_eq!(sizes(vec![(0.0, 1.0)]), [1]);
    }

    fn dataset(goal: Goal) -> Dataset {
        Dataset::empty(&space::nasbench201(), &[], (goal, Unit::Percent))
    }

    #[test]
    fn a_calibration_gives_the_mean_label_at_each_score_whichever_way_is_better() {
        let scores = ReferenceScores::new((0..1_000).map(|i| f64::from(i) / 100.0).collect());
        let positions = (0..2_000).map(|i| f64::from(i) / 2_000.0);
        for (goal, start, rise) in [(Goal::Maximize, 20.0, 60.0), (Goal::Minimize, 80.0, -60.0)] {
            // Labels scatter evenly around a line.
            let scatter = |i: usize| if i.is_multiple_of(2) { 5.0 } else { -5.0 };
            let points = positions.clone().enumerate().map(|(i, x)| (x, start + rise * x + scatter(i)));
            let calibration =
                calibration(points.collect(), &scores, &dataset(goal)).expect("labels that rise");
            for score in [1.0, 5.0, 9.0] {
                let expected = start + rise * score / 10.0;
                assert!((calibration.value(score) - expected).abs() < 0.5, "{goal:?} {score}");
            }
            assert!((calibration.value(-50.0) - start).abs() < 5.0, "almost flat outside");
        }
    }

    #[test]
    fn labels_that_do_not_get_better_with_the_scores_calibrate_nothing() {
        let scores = ReferenceScores::new((0..100).map(f64::from).collect());
        let falling = (0..100).map(|i| (f64::from(i) / 100.0, 90.0 - f64::from(i) / 2.0)).collect();
        assert_eq!(calibration(falling, &scores, &dataset(Goal::Maximize)), None);
    }
}
