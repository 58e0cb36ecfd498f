//! From the raw scores of one step to the unit of the task.

use serde::{Deserialize, Serialize};

/// Share of the mean slope between the knots with which a calibration goes on outside them.
const OUTER_SLOPE: f64 = 0.01;

/// A strictly monotone piecewise linear map from raw score to a value in the task's unit: rising where
/// larger values are better, else falling.
///
/// Nothing is known outside the first and last knot, so the map goes on there almost flat, up to the
/// ends of the valid range: just steep enough to keep the order of scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Calibration {
    /// `(raw score, value)`, scores strictly increasing, values strictly monotone.
    knots: Vec<(f64, f64)>,
    /// Smallest and largest value the unit allows.
    valid_range: (f64, f64),
}

/// Knots that are no monotone map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a calibration needs two or more finite knots, strictly increasing in score, strictly monotone in value, in the valid range"
)]
pub struct CalibrationError;

#[derive(Deserialize)]
struct Fields {
    knots: Vec<(f64, f64)>,
    valid_range: (f64, f64),
}

impl TryFrom<Fields> for Calibration {
    type Error = CalibrationError;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        Self::new(fields.knots, fields.valid_range)
    }
}

impl Calibration {
    /// The map through `knots` of (raw score, value).
    ///
    /// # Errors
    /// With fewer than two knots, or when scores do not strictly increase, values neither strictly
    /// increase nor strictly decrease, or either is not finite or leaves the valid range.
    pub fn new(knots: Vec<(f64, f64)>, valid_range: (f64, f64)) -> Result<Self, CalibrationError> {
        let (lowest, highest) = valid_range;
        let in_range =
            knots.iter().all(|(score, value)| score.is_finite() && (lowest..=highest).contains(value));
        let scores_increase = knots.is_sorted_by(|a, b| a.0 < b.0);
        let values_are_monotone =
            knots.is_sorted_by(|a, b| a.1 < b.1) || knots.is_sorted_by(|a, b| a.1 > b.1);
        if knots.len() >= 2 && in_range && scores_increase && values_are_monotone {
            Ok(Self { knots, valid_range })
        } else {
            Err(CalibrationError)
        }
    }

    /// The value, in the task's unit, of a raw score.
    #[must_use]
    pub fn value(&self, score: f64) -> f64 {
        let line = |from: (f64, f64), slope: f64| from.1 + (score - from.0) * slope;
        let slope = |from: (f64, f64), to: (f64, f64)| (to.1 - from.1) / (to.0 - from.0);
        let (first, last) = (self.knots[0], self.knots[self.knots.len() - 1]);
        let right = self.knots.partition_point(|knot| knot.0 <= score);
        let value = match (right.checked_sub(1).map(|left| self.knots[left]), self.knots.get(right)) {
            (Some(left), Some(&right)) => line(left, slope(left, right)),
            (None, _) => line(first, OUTER_SLOPE * slope(first, last)),
            (_, None) => line(last, OUTER_SLOPE * slope(first, last)),
        };
        value.clamp(self.valid_range.0, self.valid_range.1)
    }

    /// Smallest and largest value the unit allows.
    #[must_use]
    pub fn valid_range(&self) -> (f64, f64) {
        self.valid_range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration() -> Calibration {
        Calibration::new(vec![(-1.0, 10.0), (0.0, 50.0), (2.0, 90.0)], (0.0, 100.0))
            .expect("increasing knots")
    }

    #[test]
    fn interpolates_between_knots_and_stays_near_them_outside_up_to_the_valid_range() {
        // The mean slope is 80 / 3.
        let cases = [
            (-1.0, 10.0),
            (-0.5, 30.0),
            (0.0, 50.0),
            (1.0, 70.0),
            (2.0, 90.0),
            (5.0, 90.8),
            (-4.0, 9.2),
            (99.0, 100.0),
            (-99.0, 0.0),
        ];
        for (score, value) in cases {
            assert!((calibration().value(score) - value).abs() < 1e-12, "score {score}");
        }
    }

    #[test]
    fn falls_where_smaller_values_are_better() {
        let calibration =
            Calibration::new(vec![(-1.0, 0.5), (1.0, 0.1)], (0.0, 1.0)).expect("monotone knots");
        for (score, value) in [(0.0, 0.3), (1.0, 0.1), (6.0, 0.09)] {
            assert!((calibration.value(score) - value).abs() < 1e-12, "score {score}");
        }
    }

    #[test]
    fn refuses_knots_that_would_not_keep_the_order() {
        for knots in [
            vec![(0.0, 1.0)],
            vec![(0.0, 1.0), (0.0, 2.0)],
            vec![(0.0, 2.0), (1.0, 2.0)],
            vec![(0.0, 2.0), (1.0, 3.0), (2.0, 1.0)],
            vec![(0.0, f64::NAN), (1.0, 2.0)],
            vec![(0.0, 1.0), (1.0, 200.0)],
        ] {
            assert_eq!(Calibration::new(knots, (0.0, 100.0)), Err(CalibrationError));
        }
    }
}
