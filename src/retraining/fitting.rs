//! How a version is made of a dataset.

use std::fmt;
use std::num::NonZero;

use candle_core::Device;

use crate::fit::{Dataset, FitConfig, FitError, Plan, can_start_from};
use crate::model::{Checkpoint, MAX_STEPS, ModelConfig};
use crate::retraining::Watch;
use crate::retraining::config::OfSpace;

/// Folds for the calibration.
const N_FOLDS: usize = 2;

/// Saliencies that predictors take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// For each operation.
    pub n_metrics: usize,
    /// Whether nothing can be predicted without them.
    pub is_required: bool,
}

impl Takes {
    /// Those of a model; `None` where it takes none.
    #[must_use]
    pub fn of(model: &ModelConfig) -> Option<Self> {
        let n_metrics = model.n_metrics_taken()?;
        Some(Self { n_metrics, is_required: model.n_metrics().is_some() })
    }
}

/// Makes a checkpoint of a dataset. Computes for as long as it takes, on a thread of its own.
pub trait Fit: fmt::Debug + Send + Sync {
    /// How many budgets a predictor can have.
    fn max_targets(&self) -> usize;

    /// Whether a training on the dataset can start from the weights of a checkpoint.
    fn can_start_from(&self, _dataset: &Dataset, _checkpoint: &Checkpoint) -> bool {
        false
    }

    /// The saliencies that predictors of such a dataset take; `None` where they take none.
    fn takes(&self, _dataset: &Dataset) -> Option<Takes> {
        None
    }

    /// Trains, from what `watch` says was done before, and from the weights of `start` where there is one. `None`
    /// where `watch` said to stop.
    ///
    /// # Errors
    /// When the dataset cannot be trained on, training fails, or what was done before is of another run.
    fn fit(
        &self,
        dataset: &Dataset,
        seed: u64,
        start: Option<&Checkpoint>,
        watch: &Watch,
    ) -> Result<Option<Checkpoint>, FitError>;
}

/// Trains with the configuration of the space. Where there are too few labels to calibrate
/// with, or none rise with the scores, scores mean order only.
#[derive(Clone, Debug)]
pub struct Configured {
    /// Where it is computed.
    pub device: Device,
    /// Threads at most.
    pub n_threads: NonZero<usize>,
    /// Configurations that take the place of spaces' own.
    pub of_spaces: Vec<OfSpace>,
}

impl Configured {
    fn config(&self, dataset: &Dataset) -> FitConfig {
        let n_targets = dataset.targets.len();
        match self.of_spaces.iter().find(|it| it.space == dataset.space.name) {
            Some(OfSpace { config, .. }) => config.clone().with_steps_for(n_targets),
            None => FitConfig::default_for(&dataset.space, n_targets),
        }
    }
}

impl Fit for Configured {
    fn max_targets(&self) -> usize {
        MAX_STEPS
    }

    fn can_start_from(&self, dataset: &Dataset, checkpoint: &Checkpoint) -> bool {
        can_start_from(&self.config(dataset), dataset, checkpoint)
    }

    fn takes(&self, dataset: &Dataset) -> Option<Takes> {
        Takes::of(&self.config(dataset).model)
    }

    fn fit(
        &self,
        dataset: &Dataset,
        seed: u64,
        start: Option<&Checkpoint>,
        watch: &Watch,
    ) -> Result<Option<Checkpoint>, FitError> {
        fit_with(&self.config(dataset), dataset, seed, start, (&self.device, self.n_threads), watch)
    }
}

/// Trains with a configuration on a device, on so many threads at most, calibrated where that is possible.
///
/// # Errors
/// As [`Plan::fit`].
pub fn fit_with(
    config: &FitConfig,
    dataset: &Dataset,
    seed: u64,
    start: Option<&Checkpoint>,
    (device, n_threads): (&Device, NonZero<usize>),
    watch: &Watch,
) -> Result<Option<Checkpoint>, FitError> {
    let plan = Plan {
        config,
        dataset,
        seed,
        n_folds: Some(N_FOLDS),
        may_stay_uncalibrated: true,
        start,
        device,
        n_threads,
    };
    let plan = Plan { n_folds: plan.n_folds.filter(|_| plan.can_calibrate()), ..plan };
    watch.expect_epochs(config.n_epochs * (1 + plan.n_folds.unwrap_or(0)));
    plan.fit(watch)
}
