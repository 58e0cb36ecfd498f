//! What came of a training: kept in the checkpoint, and printed.

use std::fmt;
use std::num::NonZero;

use candle_core::Device;
use serde::Serialize;

use crate::cli::train::progress::{History, Progress};
use crate::fit::{Dataset, Evaluation};
use crate::model::{Checkpoint, Model};

/// The figures of a training. The same training has the same report: no times, no machine.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Architectures trained on.
    n_training: usize,
    /// Classes of architectures among them.
    n_training_classes: usize,
    /// Networks whose scores are averaged.
    n_members: usize,
    /// Mean loss of the last epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f64>,
    /// One entry for each target.
    targets: Vec<TargetReport>,
}

/// The figures of one target.
#[derive(Debug, Serialize)]
struct TargetReport {
    column: String,
    /// Rank correlation on the rows for validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<Validation>,
    /// Agreement on the holdout of the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    holdout: Option<Evaluation>,
}

#[derive(Debug, Serialize)]
struct Validation {
    kendall_tau_last_epoch: f64,
    kendall_tau_last_five_mean: f64,
}

impl Report {
    /// Evaluates `checkpoint` on the holdout and gathers what `progress` saw.
    ///
    /// # Errors
    /// When the checkpoint cannot be loaded or scored with.
    pub fn new(
        checkpoint: &Checkpoint,
        dataset: &Dataset,
        holdout: &Dataset,
        progress: &Progress<'_>,
        (device, n_threads): (&Device, NonZero<usize>),
    ) -> anyhow::Result<Self> {
        let model = Model::load(checkpoint, device)?;
        let History { last_epoch, validated } = progress.history();
        let mut targets = Vec::with_capacity(dataset.targets.len());
        for (index, target) in dataset.targets.iter().enumerate() {
            let taus: Option<Vec<f64>> = validated.iter().map(|taus| taus[index]).collect();
            let evaluation = match holdout.examples.len() {
                0 => None,
                _ => Some(Evaluation::of_model(&model, index, holdout, index, n_threads)?),
            };
            let validation = taus.and_then(|taus| Validation::new(&taus));
            targets.push(TargetReport { column: target.column.clone(), validation, holdout: evaluation });
        }
        Ok(Self {
            n_training: dataset.examples.len(),
            n_training_classes: dataset.classes().len(),
            n_members: checkpoint.header().members.len(),
            loss: last_epoch.map(|epoch| epoch.loss),
            targets,
        })
    }
}

impl Validation {
    fn new(taus: &[f64]) -> Option<Self> {
        Some(Self {
            kendall_tau_last_epoch: *taus.last()?,
            kendall_tau_last_five_mean: taus.iter().sum::<f64>() / taus.len() as f64,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "trained on {} architectures of {} classes", self.n_training, self.n_training_classes)?;
        if self.n_members > 1 {
            write!(f, ", mean of {} networks", self.n_members)?;
        }
        if let Some(loss) = self.loss {
            write!(f, ", loss {loss:.4}")?;
        }
        for target in &self.targets {
            if let Some(validation) = &target.validation {
                write!(
                    f,
                    "\n{}: validation tau {:.4} at the last epoch, {:.4} mean of the last five",
                    target.column, validation.kendall_tau_last_epoch, validation.kendall_tau_last_five_mean
                )?;
            }
            if let Some(holdout) = &target.holdout {
                write!(f, "\n{} on the holdout:\n{holdout}", target.column)?;
            }
        }
        Ok(())
    }
}
