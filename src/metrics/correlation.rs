//! Correlation of values, and of their ranks.

use super::{are_comparable, are_tied};

/// Pearson's linear correlation.
///
/// `None` with a value that is NaN or infinite, or when one slice has no two different values.
///
/// # Panics
/// When the slices have different lengths.
#[must_use]
pub fn pearson(xs: &[f64], ys: &[f64]) -> Option<f64> {
    if !are_comparable(xs, ys) || is_constant(xs) || is_constant(ys) {
        return None;
    }
    let (mean_x, mean_y) = (mean(xs), mean(ys));
    let (mut covariance, mut variance_x, mut variance_y) = (0.0, 0.0, 0.0);
    for (x, y) in xs.iter().zip(ys) {
        let (dx, dy) = (x - mean_x, y - mean_y);
        covariance += dx * dy;
        variance_x += dx * dx;
        variance_y += dy * dy;
    }
    let correlation = covariance / variance_x.sqrt() / variance_y.sqrt();
    correlation.is_finite().then_some(correlation.clamp(-1.0, 1.0))
}

/// Spearman's rank correlation: the linear one of the ranks, tied items sharing the mean of theirs.
///
/// `None` with a NaN, or when one slice has no two different values. Infinite values are ranked.
///
/// # Panics
/// When the slices have different lengths.
#[must_use]
pub fn spearman(xs: &[f64], ys: &[f64]) -> Option<f64> {
    if are_comparable(xs, ys) { pearson(&average_ranks(xs), &average_ranks(ys)) } else { None }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Asked beforehand, since the mean of equal values may be off by its rounding.
fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| are_tied(pair[0], pair[1]))
}

fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].partial_cmp(&values[b]).expect("NaN is refused before"));
    let mut ranks = vec![0.0; values.len()];
    let mut n_before = 0;
    for tied in order.chunk_by(|&a, &b| are_tied(values[a], values[b])) {
        for &item in tied {
            ranks[item] = n_before as f64 + (tied.len() - 1) as f64 / 2.0;
        }
        n_before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(found: Option<f64>, expected: f64) {
        assert!((found.expect("defined") - expected).abs() < 1e-14, "{found:?} is not {expected}");
    }

    /// The examples in the documentation of `scipy.stats.pearsonr` and `scipy.stats.spearmanr`.
    #[test]
    fn equal_published_values() {
        let xs = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert_close(pearson(&xs, &[10.0, 9.0, 2.5, 6.0, 4.0, 3.0, 2.0]), -0.828_503_883_588_428);
        assert_close(spearman(&xs[..5], &[5.0, 6.0, 7.0, 8.0, 7.0]), 0.820_782_681_668_123_3);
    }

    #[test]
    fn a_line_correlates_fully_and_a_curve_in_ranks_only() {
        let xs = [-2.0, 0.0, 1.0, 5.0];
        assert_close(pearson(&xs, &xs.map(|x| 3.0 - 0.1 * x)), -1.0);
        assert_close(spearman(&xs, &xs.map(f64::exp)), 1.0);
        assert!(pearson(&xs, &xs.map(f64::exp)).expect("defined") < 0.95);
        assert_close(spearman(&[f64::NEG_INFINITY, 0.0, f64::INFINITY], &[1.0, 2.0, 3.0]), 1.0);
    }

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        assert_eq!(average_ranks(&[3.0, 1.0, 3.0, 0.0, 3.0]), [3.0, 1.0, 3.0, 0.0, 3.0]);
    }

    #[test]
    fn are_undefined_without_spread() {
        for correlation in [pearson, spearman] {
            assert_eq!(correlation(&[], &[]), None);
            assert_eq!(correlation(&[1.0], &[2.0]), None);
            assert_eq!(correlation(&[0.1; 3], &[1.0, 2.0, 3.0]), None);
            assert_eq!(correlation(&[1.0, 2.0], &[f64::NAN, 1.0]), None);
        }
        assert_eq!(pearson(&[1.0, 2.0], &[f64::INFINITY, 1.0]), None);
    }
}
