//! What training minimises (`method.md` sections 6 and 8).

use candle_core::{Result, Tensor};
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::fit::config::Pairs;

/// Two architectures of a batch, the one with the larger label first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pair {
    /// Position of the one with the larger label.
    pub better: u32,
    /// Position of the other.
    pub worse: u32,
}

/// The pairs of a batch that a step trains on. Ties and missing labels make none.
#[must_use]
pub fn pairs(labels: &[Option<f64>], which: Pairs, rng: &mut ChaCha8Rng) -> Vec<Pair> {
    let labelled: Vec<(u32, f64)> =
        (0..).zip(labels).filter_map(|(position, label)| Some((position, (*label)?))).collect();
    let mut pairs = Vec::with_capacity(labelled.len() * labelled.len() / 2);
    for (i, &(first, first_label)) in labelled.iter().enumerate() {
        for &(second, second_label) in &labelled[i + 1..] {
            if first_label > second_label {
                pairs.push(Pair { better: first, worse: second });
            } else if second_label > first_label {
                pairs.push(Pair { better: second, worse: first });
            }
        }
    }
    match which {
        Pairs::All => pairs,
        Pairs::PerArchitecture(ratio) => {
            let n_most = (ratio * labelled.len() as f64) as usize;
            if pairs.len() <= n_most {
                return pairs;
            }
            index::sample(rng, pairs.len(), n_most).into_iter().map(|i| pairs[i]).collect()
        }
    }
}

/// The positions of the better ones, and of the worse ones.
#[must_use]
pub fn positions(pairs: &[Pair]) -> (Vec<u32>, Vec<u32>) {
    pairs.iter().map(|pair| (pair.better, pair.worse)).unzip()
}

/// The mean over pairs of max(0, margin - (better - worse)).
///
/// # Shapes
/// - `better`, `worse`: `[n_pairs]`, raw scores
/// - returns a scalar
///
/// # Errors
/// When a tensor operation fails.
pub fn pairwise_hinge(better: &Tensor, worse: &Tensor, margin: f64) -> Result<Tensor> {
    (worse - better)?.affine(1.0, margin)?.relu()?.mean_all()
}

/// The mean of (sigmoid(score) - label)^2 over the labels there are.
///
/// # Shapes
/// - `scores`: `[n]`, raw
/// - `labels`: `n` fractions
/// - returns a scalar
///
/// # Errors
/// When a tensor operation fails.
pub fn mean_squared_error(scores: &Tensor, labels: &[Option<f64>]) -> Result<Tensor> {
    let device = scores.device();
    let column = |values: Vec<f64>| Tensor::new(values, device)?.to_dtype(scores.dtype());
    let n_labelled = labels.iter().flatten().count().max(1);
    let is_labelled = column(labels.iter().map(|label| f64::from(u8::from(label.is_some()))).collect())?;
    let labels = column(labels.iter().map(|label| label.unwrap_or(0.0)).collect())?;
    let errors = (candle_nn::ops::sigmoid(scores)? - labels)?.sqr()?;
    (errors * is_labelled)?.sum_all()? / n_labelled as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn pairs_put_the_better_first_and_leave_out_ties_and_missing_labels() {
        let labels = [Some(1.0), Some(3.0), None, Some(1.0), Some(2.0)];
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut all: Vec<(u32, u32)> =
            pairs(&labels, Pairs::All, &mut rng).iter().map(|pair| (pair.better, pair.worse)).collect();
        all.sort_unstable();
        assert_eq!(all, [(1, 0), (1, 3), (1, 4), (4, 0), (4, 3)]);
    }

    #[test]
    fn squared_errors_are_the_mean_over_the_labels_there_are() {
        let loss = |scores: &[f64], labels: &[Option<f64>]| {
            let scores = Tensor::new(scores, &candle_core::Device::Cpu).expect("a tensor");
            mean_squared_error(&scores, labels).and_then(|loss| loss.to_scalar::<f64>()).expect("a number")
        };
        let of_labelled = loss(&[0.3, -1.0], &[Some(0.9), Some(0.2)]);
        let of_all = loss(&[0.3, 5.0, -1.0], &[Some(0.9), None, Some(0.2)]);
        assert!((of_all - of_labelled).abs() < 1e-15 && of_labelled > 0.0, "{of_all}, {of_labelled}");
        assert_eq!(loss(&[0.3, 5.0], &[None, None]).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn sampled_pairs_are_distinct_pairs_of_all() {
        let labels: Vec<Option<f64>> = (0..40).map(|i| Some(f64::from(i % 13))).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let all = pairs(&labels, Pairs::All, &mut rng);
        let mut sampled = pairs(&labels, Pairs::PerArchitecture(4.0), &mut rng);
        assert_ne!(sampled, pairs(&labels, Pairs::PerArchitecture(4.0), &mut rng), "drawn anew");
        sampled.sort_unstable();
        sampled.dedup();
        assert_eq!(sampled.len(), 160);
        assert!(sampled.iter().all(|pair| all.contains(pair)));
    }
}
