//! Kendall's rank correlation.

use super::{are_comparable, are_tied};

/// Kendall's tau-b: the share of pairs ordered alike less the share ordered oppositely, corrected
/// for ties. In `O(n log n)` (Knight, 1966).
///
/// `None` with a NaN, or when one slice has no two different values. Infinite values are ranked.
///
/// # Panics
/// When the slices have different lengths.
#[must_use]
pub fn kendall_tau(xs: &[f64], ys: &[f64]) -> Option<f64> {
    if !are_comparable(xs, ys) {
        return None;
    }
    let mut items: Vec<_> = xs.iter().copied().zip(ys.iter().copied()).collect();
    items.sort_unstable_by(|a, b| a.partial_cmp(b).expect("NaN is refused above"));
    let tied_in_x = n_tied_pairs(&items, |a, b| are_tied(a.0, b.0));
    let tied_in_both = n_tied_pairs(&items, |a, b| a == b);

    // Within a tie in x the ys ascend, so that only pairs in opposite order are inverted.
    let mut ys: Vec<_> = items.into_iter().map(|(_, y)| y).collect();
    let discordant = sort_counting_inversions(&mut ys);
    let tied_in_y = n_tied_pairs(&ys, |a, b| are_tied(*a, *b));

    let all = n_pairs(ys.len() as u64);
    let concordant = all + tied_in_both - tied_in_x - tied_in_y - discordant;
    let (untied_in_x, untied_in_y) = ((all - tied_in_x) as f64, (all - tied_in_y) as f64);
    let tau = (concordant as f64 - discordant as f64) / (untied_in_x * untied_in_y).sqrt();
    (!tau.is_nan()).then_some(tau)
}

pub(in crate::metrics) fn n_pairs(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// Pairs of equal items in a sorted slice.
fn n_tied_pairs<T>(sorted: &[T], equal: impl FnMut(&T, &T) -> bool) -> u64 {
    sorted.chunk_by(equal).map(|run| n_pairs(run.len() as u64)).sum()
}

/// Sorts by merging, and counts the pairs that stood in descending order.
fn sort_counting_inversions(values: &mut [f64]) -> u64 {
    if values.len() < 2 {
        return 0;
    }
    let (left, right) = values.split_at_mut(values.len() / 2);
    let within = sort_counting_inversions(left) + sort_counting_inversions(right);
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut i, mut j, mut across) = (0, 0, 0);
    while i < left.len() && j < right.len() {
        if right[j] < left[i] {
            merged.push(right[j]);
            j += 1;
            across += (left.len() - i) as u64;
        } else {
            merged.push(left[i]);
            i += 1;
        }
    }
    merged.extend_from_slice(&left[i..]);
    merged.extend_from_slice(&right[j..]);
    values.copy_from_slice(&merged);
    within + across
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the definition: the mean of sign products over all pairs, over the roots of untied shares.
    fn by_definition(xs: &[f64], ys: &[f64]) -> Option<f64> {
        let sign = |difference: f64| if difference == 0.0 { 0.0 } else { difference.signum() };
        let (mut agreement, mut untied_x, mut untied_y) = (0.0, 0.0, 0.0);
        for i in 0..xs.len() {
            for j in 0..i {
                let (x, y) = (sign(xs[i] - xs[j]), sign(ys[i] - ys[j]));
                agreement += x * y;
                untied_x += x * x;
                untied_y += y * y;
            }
        }
        (untied_x * untied_y > 0.0).then(|| agreement / f64::sqrt(untied_x * untied_y))
    }

    /// Few different values, so that ties of every kind come up.
    fn items() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((-3_i8..4, -3_i8..4), 0..40)
            .prop_map(|items| items.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).collect())
    }

    proptest! {
        #[test]
        fn equals_the_definition_with_ties(items in items()) {
            let (xs, ys): (Vec<_>, Vec<_>) = items.into_iter().unzip();
            match (kendall_tau(&xs, &ys), by_definition(&xs, &ys)) {
                (Some(fast), Some(slow)) => prop_assert!((fast - slow).abs() < 1e-12),
                (fast, slow) => prop_assert_eq!(fast, slow),
            }
        }
    }

    /// The example in the documentation of `scipy.stats.kendalltau`.
    #[test]
    fn equals_a_published_value() {
        let tau = kendall_tau(&[12.0, 2.0, 1.0, 12.0, 2.0], &[1.0, 4.0, 7.0, 1.0, 0.0]).expect("defined");
        assert!((tau - -0.471_404_520_791_031_73).abs() < 1e-15);
    }

    #[test]
    fn the_same_order_is_1_and_the_opposite_one_minus_1() {
        let xs = [f64::NEG_INFINITY, -1.0, 0.5, 7.0, f64::INFINITY];
        assert_eq!(kendall_tau(&xs, &[1.0, 2.0, 3.0, 4.0, 5.0]), Some(1.0));
        assert_eq!(kendall_tau(&xs, &[5.0, 4.0, 3.0, 2.0, 1.0]), Some(-1.0));
    }

    #[test]
    fn is_undefined_without_order() {
        assert_eq!(kendall_tau(&[], &[]), None);
        assert_eq!(kendall_tau(&[1.0], &[2.0]), None);
        assert_eq!(kendall_tau(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(kendall_tau(&[1.0, f64::NAN], &[1.0, 2.0]), None);
        assert_eq!(kendall_tau(&[0.0, -0.0], &[1.0, 2.0]), None, "the zeros are equal");
    }
}
