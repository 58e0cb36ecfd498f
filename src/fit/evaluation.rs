//! How good a predictor is on labelled architectures.

use std::fmt;
use std::num::NonZero;

use serde::Serialize;

use crate::domain::Goal;
use crate::fit::dataset::{Dataset, Example};
use crate::metrics::{
    kendall_tau, mean_absolute_error, mean_squared_error, pearson, precision_at_k, spearman,
};
use crate::model::{self, Input, Model, scores_in_parallel};

/// Sizes of the top for which precision is reported.
const TOPS: [Top; 4] = [Top::Count(10), Top::Count(50), Top::Percent(1), Top::Percent(5)];
/// Groups of equal size in a reliability table.
const N_GROUPS: usize = 10;

/// A number of best architectures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Top {
    Count(usize),
    Percent(usize),
}

/// Agreement of predictions with labels. A figure that is not defined, as the rank correlation of
/// constants, is absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Architectures compared.
    pub n: usize,
    /// Kendall's tau-b.
    pub kendall_tau: Option<f64>,
    /// Architectures whose class was not trained on.
    pub n_unseen: usize,
    /// Kendall's tau-b among those; absent, too, where nobody knows what was trained on.
    pub kendall_tau_unseen: Option<f64>,
    /// Spearman's rank correlation.
    pub spearman: Option<f64>,
    /// Share of the true top among the predicted top.
    pub precision: Vec<Precision>,
    /// Pearson's correlation.
    pub linear_correlation: Option<f64>,
    /// In squared units of the task, for calibrated predictions.
    pub mean_squared_error: Option<f64>,
    /// In units of the task, for calibrated predictions.
    pub mean_absolute_error: Option<f64>,
    /// For calibrated predictions, by tenths of the predictions, lowest first.
    pub reliability: Vec<Reliability>,
}

/// Precision at one size of the top.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Precision {
    /// As it was asked for: `10`, or `5%`.
    pub top: String,
    /// As a number of architectures.
    pub k: usize,
    /// Share of the true top `k` among the predicted top `k`.
    pub share: Option<f64>,
}

/// Architectures with similar predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reliability {
    /// How many.
    pub n: usize,
    /// Mean of what was predicted.
    pub predicted: f64,
    /// Mean of what was measured.
    pub measured: f64,
}

/// One architecture to be judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// What was predicted.
    pub prediction: f64,
    /// What was measured.
    pub label: f64,
    /// Whether a member of its class was trained on.
    pub is_seen: bool,
}

impl Evaluation {
    /// Compares the `step`-th score of a model with the `target`-th label of each example that has one.
    ///
    /// # Errors
    /// When the model does not take an example or fails.
    pub fn of_model(
        model: &Model,
        step: usize,
        dataset: &Dataset,
        target: usize,
        n_threads: NonZero<usize>,
    ) -> Result<Self, model::Error> {
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let scores = scores_in_parallel(model, &inputs, n_threads)?;
        let trained_on = &model.header().trained_on;
        let judged = dataset.examples.iter().zip(scores).filter_map(|(example, scores)| {
            // Of a checkpoint that does not know, no class counts as unseen.
            let is_seen = trained_on.is_empty() || trained_on.contains(&example.class);
            Some(Judged { prediction: scores[step], label: example.labels[target]?, is_seen })
        });
        Ok(Self::new(&judged.collect::<Vec<_>>(), dataset.goal, model.is_calibrated()))
    }

    /// Compares predictions with labels. `is_calibrated` says that both are in the same unit; else
    /// larger predictions are better, whatever the goal.
    #[must_use]
    pub fn new(judged: &[Judged], goal: Goal, is_calibrated: bool) -> Self {
        let merits = |judged: &[Judged]| -> (Vec<f64>, Vec<f64>) {
            let merit = |prediction| if is_calibrated { goal.merit(prediction) } else { prediction };
            judged.iter().map(|judged| (merit(judged.prediction), goal.merit(judged.label))).unzip()
        };
        let (predictions, labels) = merits(judged);
        let unseen: Vec<Judged> = judged.iter().filter(|judged| !judged.is_seen).copied().collect();
        let (unseen_predictions, unseen_labels) = merits(&unseen);
        let in_unit = |error: fn(&[f64], &[f64]) -> Option<f64>| {
            is_calibrated.then(|| error(&predictions, &labels)).flatten()
        };
        Self {
            n: judged.len(),
            kendall_tau: kendall_tau(&predictions, &labels),
            n_unseen: unseen.len(),
            kendall_tau_unseen: kendall_tau(&unseen_predictions, &unseen_labels),
            spearman: spearman(&predictions, &labels),
            precision: TOPS.iter().map(|top| top.precision(&predictions, &labels)).collect(),
            linear_correlation: pearson(&predictions, &labels),
            mean_squared_error: in_unit(mean_squared_error),
            mean_absolute_error: in_unit(mean_absolute_error),
            reliability: if is_calibrated { reliability(judged) } else { Vec::new() },
        }
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = |value: Option<f64>| value.map_or("undefined".to_owned(), |value| format!("{value:.4}"));
        writeln!(f, "n                    {}", self.n)?;
        writeln!(f, "kendall_tau          {}", figure(self.kendall_tau))?;
        writeln!(
            f,
            "kendall_tau_unseen   {} ({} of classes unseen in training)",
            figure(self.kendall_tau_unseen),
            self.n_unseen
        )?;
        writeln!(f, "spearman             {}", figure(self.spearman))?;
        for precision in &self.precision {
            writeln!(f, "precision@{:<10} {}", precision.top, figure(precision.share))?;
        }
        write!(f, "linear_correlation   {}", figure(self.linear_correlation))?;
        if self.reliability.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nmean_squared_error   {}", figure(self.mean_squared_error))?;
        writeln!(f, "mean_absolute_error  {}", figure(self.mean_absolute_error))?;
        write!(f, "reliability by tenths of the predictions: n, mean predicted, mean measured")?;
        for group in &self.reliability {
            write!(f, "\n  {:>6} {:>10.4} {:>10.4}", group.n, group.predicted, group.measured)?;
        }
        Ok(())
    }
}

impl Top {
    fn precision(self, predictions: &[f64], labels: &[f64]) -> Precision {
        let (top, k) = match self {
            Self::Count(k) => (k.to_string(), k),
            Self::Percent(percent) => (format!("{percent}%"), (labels.len() * percent).div_ceil(100)),
        };
        Precision { top, k, share: precision_at_k(predictions, labels, k) }
    }
}

fn reliability(judged: &[Judged]) -> Vec<Reliability> {
    let mut ascending = judged.to_vec();
    ascending.sort_by(|a, b| a.prediction.total_cmp(&b.prediction));
    ascending
        .chunks(ascending.len().div_ceil(N_GROUPS).max(1))
        .map(|group| {
            let mean = |of: fn(&Judged) -> f64| group.iter().map(of).sum::<f64>() / group.len() as f64;
            let (predicted, measured) = (mean(|judged| judged.prediction), mean(|judged| judged.label));
            Reliability { n: group.len(), predicted, measured }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` architectures with labels 0, 1, 2, .. that are predicted as `predict` says; every other class
    /// was seen.
    fn judged(n: u32, predict: impl Fn(f64) -> f64) -> Vec<Judged> {
        let one = |i: u32| Judged {
            prediction: predict(f64::from(i)),
            label: f64::from(i),
            is_seen: i.is_multiple_of(2),
        };
        (0..n).map(one).collect()
    }

    #[test]
    fn the_unseen_are_judged_apart() {
        // The seen ones, even, are predicted in order; the unseen ones the other way round.
        let predict = |label: f64| if label % 2.0 == 0.0 { label } else { -label };
        let evaluation = Evaluation::new(&judged(10, predict), Goal::Maximize, false);
        assert_eq!((evaluation.n, evaluation.n_unseen), (10, 5));
        assert_eq!(evaluation.kendall_tau_unseen, Some(-1.0));
        assert!(evaluation.kendall_tau.is_some_and(|tau| tau.abs() < 1.0));
    }

    #[test]
    fn errors_and_reliability_are_in_the_unit_and_only_there() {
        let shifted = |label: f64| label + 2.0;
        let evaluation = Evaluation::new(&judged(20, shifted), Goal::Maximize, true);
        assert_eq!((evaluation.mean_absolute_error, evaluation.mean_squared_error), (Some(2.0), Some(4.0)));
        assert_eq!(evaluation.reliability.len(), N_GROUPS);
        assert_eq!(evaluation.reliability[1], Reliability { n: 2, predicted: 4.5, measured: 2.5 });
        let rank = Evaluation::new(&judged(20, shifted), Goal::Maximize, false);
        assert_eq!((rank.mean_absolute_error, rank.reliability.len()), (None, 0));
    }

    #[test]
    fn the_best_are_the_smallest_where_the_goal_is_to_minimize() {
        let evaluation = |predict: fn(f64) -> f64, is_calibrated| {
            Evaluation::new(&judged(200, predict), Goal::Minimize, is_calibrated)
        };
        // In the unit, small is good on both sides; a score that means order only is good when large.
        for evaluation in [evaluation(|label| label, true), evaluation(|label| -label, false)] {
            assert_eq!((evaluation.kendall_tau, evaluation.precision[0].share), (Some(1.0), Some(1.0)));
        }
        assert_eq!(evaluation(|label| label, false).kendall_tau, Some(-1.0));
    }

    #[test]
    fn a_share_of_the_top_is_rounded_up() {
        let evaluation = Evaluation::new(&judged(101, |label| label), Goal::Maximize, false);
        let tops: Vec<(&str, usize)> =
            evaluation.precision.iter().map(|precision| (precision.top.as_str(), precision.k)).collect();
        assert_eq!(tops, [("10", 10), ("50", 50), ("1%", 2), ("5%", 6)]);
    }
}
