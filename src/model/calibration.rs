//! From the raw scores of one step to the unit of the task.

use serde::{Deserialize, Serialize};

/// A strictly increasing piecewise linear map from raw score to a value in the task's unit.
///
/// Outside the first and last knot the neighbouring segment is continued, up to the ends of the
/// valid range, so that calibration keeps the order of scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Calibration {
    /// `(raw score, value)`, both strictly increasing.
    knots: Vec<(f64, f64)>,
    /// Smallest and largest value the unit allows.
    valid_range: (f64, f64),
}

/// Knots that are no increasing map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a calibration needs two or more finite knots, strictly increasing in score and value, in the valid range"
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
    /// With fewer than two knots, or when scores or values do not strictly increase, are not finite,
    /// or leave the valid range.
    pub fn new(knots: Vec<(f64, f64)>, valid_range: (f64, f64)) -> Result<Self, CalibrationError> {
        let (lowest, highest) = valid_range;
        let in_range =
            knots.iter().all(|(score, value)| score.is_finite() && (lowest..=highest).contains(value));
        let increasing = knots.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1);
        if knots.len() >= 2 && in_range && increasing {
            Ok(Self { knots, valid_range })
        } else {
            Err(CalibrationError)
        }
    }

    /// The value, in the task's unit, of a raw score.
    #[must_use]
    pub fn value(&self, score: f64) -> f64 {
        let right = self.knots.partition_point(|knot| knot.0 <= score).clamp(1, self.knots.len() - 1);
        let ((x0, y0), (x1, y1)) = (self.knots[right - 1], self.knots[right]);
        let value = y0 + (score - x0) * (y1 - y0) / (x1 - x0);
        value.clamp(self.valid_range.0, self.valid_range.1)
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
    fn interpolates_between_knots_and_continues_outside_up_to_the_valid_range() {
        let cases = [
            (-1.0, 10.0),
            (-0.5, 30.0),
            (0.0, 50.0),
            (1.0, 70.0),
            (2.0, 90.0),
            (2.25, 95.0),
            (9.0, 100.0),
            (-9.0, 0.0),
        ];
        for (score, value) in cases {
            assert!((calibration().value(score) - value).abs() < 1e-12, "score {score}");
        }
    }

    #[test]
    fn refuses_knots_that_would_not_keep_the_order() {
        for knots in [
            vec![(0.0, 1.0)],
            vec![(0.0, 1.0), (0.0, 2.0)],
            vec![(0.0, 2.0), (1.0, 2.0)],
            vec![(0.0, f64::NAN), (1.0, 2.0)],
            vec![(0.0, 1.0), (1.0, 200.0)],
        ] {
            assert_eq!(Calibration::new(knots, (0.0, 100.0)), Err(CalibrationError));
        }
    }
}
