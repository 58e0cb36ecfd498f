//! From raw scores to the unit of the task, learnt from predictions for architectures that the
//! predictor was not trained on.
//!
//! The training set is cut into folds; a predictor trained on all but one fold scores that fold.
//! Ranking scores of two predictors share no scale, so a score is first turned into its position,
//! 0 to 1, among the same predictor's scores of a fixed sample of the space. The mean label as a
//! function of position, made monotone by pooling adjacent violators, is then read as a function of
//! the final predictor's scores through its own scores of that sample. The holdout takes no part.

use crate::fit::dataset::Dataset;
use crate::model::Calibration;
use crate::space::CanonicalId;
use sha2::{Digest, Sha256};

/// Architectures in the sample of the space.
pub const REFERENCE_SIZE: usize = 4_096;
/// Knots of a calibration, at most.
const MAX_BINS: usize = 128;
/// Labels whose mean makes a knot, at least.
const MIN_BIN_SIZE: usize = 16;

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

/// The fold, of `n_folds`, that a class of architectures belongs to. Isomorphic cells share one.
///
/// # Panics
/// Without folds.
#[must_use]
pub fn fold_of(class: &CanonicalId, n_folds: usize, seed: u64) -> usize {
    let digest = Sha256::new()
        .chain_update("fold")
        .chain_update(seed.to_le_bytes())
        .chain_update(class.as_str())
        .finalize();
    (u64::from_be_bytes(std::array::from_fn(|i| digest[i])) % n_folds as u64) as usize
}

/// Learns a calibration from `(position, label)` of architectures out of their fold, or `None` where
/// labels do not rise with the scores.
#[must_use]
pub fn calibration(
    mut points: Vec<(f64, f64)>,
    final_scores: &ReferenceScores,
    dataset: &Dataset,
) -> Option<Calibration> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let bin_size = points.len().div_ceil(MAX_BINS).max(MIN_BIN_SIZE);
    let bins = points.chunks(bin_size).map(|bin| Block {
        position_sum: bin.iter().map(|point| point.0).sum(),
        label_sum: bin.iter().map(|point| point.1).sum(),
        n: bin.len(),
    });
    let knots = pool_adjacent_violators(bins)
        .into_iter()
        .map(|block| (final_scores.score_at(block.position_sum / block.n as f64), block.label()));
    let mut increasing: Vec<(f64, f64)> = Vec::with_capacity(MAX_BINS);
    for knot in knots {
        if increasing.last().is_none_or(|last| last.0 < knot.0) {
            increasing.push(knot);
        }
    }
    Calibration::new(increasing, dataset.unit.valid_range().into_inner()).ok()
}

/// Neighbouring points that share one value.
#[derive(Clone, Copy, Debug)]
struct Block {
    position_sum: f64,
    label_sum: f64,
    n: usize,
}

impl Block {
    fn label(&self) -> f64 {
        self.label_sum / self.n as f64
    }
}

/// The strictly increasing sequence of means nearest to the labels (isotonic regression).
fn pool_adjacent_violators(bins: impl Iterator<Item = Block>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for mut block in bins {
        while let Some(last) = blocks.pop_if(|last| last.label() >= block.label()) {
            block = Block {
                position_sum: last.position_sum + block.position_sum,
                label_sum: last.label_sum + block.label_sum,
                n: last.n + block.n,
            };
        }
        blocks.push(block);
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let bins = [1.0, 3.0, 2.0, 2.0, 5.0].map(|label| Block { position_sum: 0.0, label_sum: label, n: 1 });
        let labels: Vec<f64> = pool_adjacent_violators(bins.into_iter()).iter().map(Block::label).collect();
        assert_eq!(labels, [1.0, 7.0 / 3.0, 5.0]);
    }
}
