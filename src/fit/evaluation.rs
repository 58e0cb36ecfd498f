//! How good a predictor is on labelled architectures.

use std::fmt;

use serde::Serialize;

use crate::metrics::{
    kendall_tau, mean_absolute_error, mean_squared_error, pearson, precision_at_k, spearman,
};

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
    /// Kendall's tau-b among those.
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
    /// Compares predictions with labels. `is_calibrated` says that both are in the same unit.
    #[must_use]
    pub fn new(judged: &[Judged], is_calibrated: bool) -> Self {
        let (predictions, labels) = columns(judged);
        let unseen: Vec<Judged> = judged.iter().filter(|judged| !judged.is_seen).copied().collect();
        let (unseen_predictions, unseen_labels) = columns(&unseen);
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

fn columns(judged: &[Judged]) -> (Vec<f64>, Vec<f64>) {
    judged.iter().map(|judged| (judged.prediction, judged.label)).unzip()
}

fn reliability(judged: &[Judged]) -> Vec<Reliability> {
    let mut ascending = judged.to_vec();
    ascending.sort_by(|a, b| a.prediction.total_cmp(&b.prediction));
    ascending
        .chunks(ascending.len().div_ceil(N_GROUPS).max(1))
        .map(|group| {
            let (predictions, labels) = columns(group);
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            Reliability { n: group.len(), predicted: mean(&predictions), measured: mean(&labels) }
        })
        .collect()
}
