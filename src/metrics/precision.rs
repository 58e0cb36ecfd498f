//! Whether the best are found.

use std::collections::HashSet;

use super::are_comparable;

/// The share of the truly best `k` among the `k` predicted best. Of equal values, the one that stands
/// earlier counts as better.
///
/// `None` with a NaN, or when `k` is 0 or more than there are items.
///
/// # Panics
/// When the slices have different lengths.
#[must_use]
pub fn precision_at_k(predicted: &[f64], truth: &[f64], k: usize) -> Option<f64> {
    if !are_comparable(predicted, truth) || k == 0 || k > truth.len() {
        return None;
    }
    let best: HashSet<usize> = top(truth, k).into_iter().collect();
    let n_found = top(predicted, k).into_iter().filter(|item| best.contains(item)).count();
    Some(n_found as f64 / k as f64)
}

/// The items with the `k` largest values, in no particular order.
fn top(values: &[f64], k: usize) -> Vec<usize> {
    let mut items: Vec<usize> = (0..values.len()).collect();
    items.select_nth_unstable_by(k - 1, |&a, &b| {
        values[b].partial_cmp(&values[a]).expect("NaN is refused before").then(a.cmp(&b))
    });
    items.truncate(k);
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: [f64; 5] = [5.0, 4.0, 3.0, 2.0, 1.0];

    #[test]
    fn counts_the_best_that_are_found() {
        let predicted = [0.9, 0.1, 0.8, 0.7, 0.2];
        let precisions: Vec<_> = (1..=5).map(|k| precision_at_k(&predicted, &TRUTH, k)).collect();
        assert_eq!(precisions, [Some(1.0), Some(0.5), Some(2.0 / 3.0), Some(0.75), Some(1.0)]);
    }

    #[test]
    fn of_equal_values_the_earlier_counts_as_better() {
        assert_eq!(precision_at_k(&[1.0; 5], &TRUTH, 2), Some(1.0));
        assert_eq!(precision_at_k(&[1.0, 1.0, 2.0, 1.0, 1.0], &TRUTH, 2), Some(0.5));
    }

    #[test]
    fn is_undefined_for_no_items_or_more_than_there_are() {
        assert_eq!(precision_at_k(&TRUTH, &TRUTH, 0), None);
        assert_eq!(precision_at_k(&TRUTH, &TRUTH, 6), None);
        assert_eq!(precision_at_k(&[], &[], 1), None);
        assert_eq!(precision_at_k(&[f64::NAN], &[1.0], 1), None);
    }
}
