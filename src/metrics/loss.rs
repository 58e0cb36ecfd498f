//! How far predictions are off, in the unit of the values.

use super::are_comparable;

/// The mean of squared differences.
///
/// `None` with a NaN or without items.
///
/// # Panics
/// When the slices have different lengths.
#[must_use]
pub fn mean_squared_error(predicted: &[f64], truth: &[f64]) -> Option<f64> {
    mean_over_items(predicted, truth, |p, t| (p - t).powi(2))
}

/// The mean of absolute differences.
///
/// `None` with a NaN or without items.
///
/// # Panics
/// When the slices have different lengths.
#[must_use]
pub fn mean_absolute_error(predicted: &[f64], truth: &[f64]) -> Option<f64> {
    mean_over_items(predicted, truth, |p, t| (p - t).abs())
}

fn mean_over_items(predicted: &[f64], truth: &[f64], loss: impl Fn(f64, f64) -> f64) -> Option<f64> {
    if !are_comparable(predicted, truth) || predicted.is_empty() {
        return None;
    }
    let sum: f64 = predicted.iter().zip(truth).map(|(&p, &t)| loss(p, t)).sum();
    let mean = sum / truth.len() as f64;
    (!mean.is_nan()).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_means_over_items() {
        let (predicted, truth) = ([1.0, 2.0, 5.0, 0.0], [1.0, 4.0, 4.0, 0.0]);
        assert_eq!(mean_squared_error(&predicted, &truth), Some(1.25));
        assert_eq!(mean_absolute_error(&predicted, &truth), Some(0.75));
    }

    #[test]
    fn are_undefined_without_items_or_with_nan() {
        for loss in [mean_squared_error, mean_absolute_error] {
            assert_eq!(loss(&[], &[]), None);
            assert_eq!(loss(&[f64::NAN], &[1.0]), None);
            assert_eq!(loss(&[f64::INFINITY], &[f64::INFINITY]), None, "their difference is no number");
        }
    }

    #[test]
    #[should_panic(expected = "one value per item")]
    fn slices_of_different_lengths_are_a_mistake() {
        let _ = mean_squared_error(&[1.0], &[]);
    }
}
