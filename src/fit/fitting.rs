//! One whole fit: the predictor on all examples and, to calibrate it, one more for each fold that is
//! left out. All of them are training runs that can be watched, stopped and resumed.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::fit::calibrate::{MIN_CALIBRATION_SIZE, REFERENCE_SIZE, ReferenceScores, calibration, fold_of};
use crate::fit::config::FitConfig;
use crate::fit::dataset::{Dataset, Example};
use crate::fit::error::FitError;
use crate::fit::trainer::{Epoch, Trainer};
use crate::model::{Calibration, Checkpoint, Input, Model, for_another_thread, scores_in_parallel};
use crate::space::Architecture;

/// What is to be fitted.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// The model and how it is trained.
    pub config: &'a FitConfig,
    /// What it is trained on.
    pub dataset: &'a Dataset,
    /// Where all chance comes from.
    pub seed: u64,
    /// Folds for the calibration, 2 or more; without, scores mean order only.
    pub n_folds: Option<usize>,
    /// Whether labels that do not rise with the scores, and so cannot calibrate them, leave scores that
    /// mean order only. Else the fit fails.
    pub may_stay_uncalibrated: bool,
    /// The checkpoint whose weights the predictor starts from: a warm start. Those of the folds never do, for it
    /// may have seen what they are to be judged by. Without, initial values are drawn.
    pub start: Option<&'a Checkpoint>,
    /// Where it is computed.
    pub device: &'a Device,
    /// Threads at most: training runs go side by side, and where there are several threads for each, its members.
    pub n_threads: NonZero<usize>,
}

/// One training run of a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Run {
    /// On all examples: its predictor is the result.
    Full,
    /// On all but one fold, from 0.
    WithoutFold(usize),
}

/// Watches a fit and keeps the states of its runs. Called from several threads.
pub trait Observer: Sync {
    /// The state of `run` stored earlier, to go on from.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    fn stored_state(&self, run: Run) -> std::io::Result<Option<Vec<u8>>>;

    /// Learns that `run` goes on after so many epochs that were made before.
    fn resumed(&self, run: Run, n_epochs_done: usize);

    /// Stores the state of `run`, which is finished or about to stop.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn store_state(&self, run: Run, state: &[u8]) -> std::io::Result<()>;

    /// Learns that `run` has made an epoch, and decides whether it goes on.
    ///
    /// # Errors
    /// When the fit is to fail.
    fn epoch_done(&self, run: Run, trainer: &Trainer<'_>, epoch: &Epoch)
    -> Result<ControlFlow<()>, FitError>;
}

impl Plan<'_> {
    /// Trains and calibrates. `None` where the observer stopped a run.
    ///
    /// # Errors
    /// When a run fails (the others then stop), or labels do not rise with the scores where they have to,
    /// or the model is to be calibrated and needs saliencies, which a sample of the space does not come with.
    ///
    /// # Panics
    /// Never, unless a run does.
    pub fn fit(&self, observer: &dyn Observer) -> Result<Option<Checkpoint>, FitError> {
        if self.n_folds.is_some() && self.takes_saliencies() {
            return Err(FitError::NoReference);
        }
        let folds = (0..self.n_folds.unwrap_or(0)).map(Run::WithoutFold);
        let runs: Vec<(Run, Dataset)> =
            std::iter::once(Run::Full).chain(folds).map(|run| (run, self.examples_of(run))).collect();
        let Some(checkpoints) = self.train(&runs, observer)? else { return Ok(None) };
        let (checkpoint, folds) = checkpoints.split_first().expect("the full run is always there");
        if folds.is_empty() {
            return Ok(Some(checkpoint.clone()));
        }
        let calibrations = match self.calibrations(checkpoint, folds) {
            Err(FitError::NoCalibration) if self.may_stay_uncalibrated => {
                return Ok(Some(checkpoint.clone()));
            }
            calibrations => calibrations?,
        };
        let mut header = checkpoint.header().clone();
        for (head, calibration) in header.steps.iter_mut().zip(calibrations) {
            head.calibration = Some(calibration);
        }
        Ok(Some(checkpoint.with_header(&header)?))
    }

    /// Whether each fold leaves enough to train on, and all of them together enough to calibrate with. Where
    /// that is not so, a fit without folds is still possible.
    #[must_use]
    pub fn can_calibrate(&self) -> bool {
        let goal = self.dataset.goal;
        !self.takes_saliencies()
            && (0..self.dataset.targets.len()).all(|target| {
                let n_labels = self.dataset.labels(target).iter().flatten().count();
                let has_order = |fold: usize| {
                    let trained_on = self.dataset.examples.iter().filter(|it| !self.is_left_out(it, fold));
                    let mut merits = trained_on.filter_map(|example| example.merit(target, goal));
                    let first = merits.next();
                    merits.any(|merit| Some(merit) != first)
                };
                n_labels >= MIN_CALIBRATION_SIZE && (0..self.n_folds.unwrap_or(0)).all(has_order)
            })
    }

    /// Whether scores depend on saliencies, which the sample that calibrates them does not have: the model needs them,
    /// or it may go without, but learnt from some.
    fn takes_saliencies(&self) -> bool {
        let model = &self.config.model;
        let has_some = || self.dataset.examples.iter().any(|example| example.saliencies.is_some());
        model.n_metrics().is_some() || (model.features.n_metrics > 0 && has_some())
    }

    fn is_left_out(&self, example: &Example, fold: usize) -> bool {
        self.n_folds.is_some_and(|n_folds| fold_of(&example.architecture, n_folds, self.seed) == fold)
    }

    fn examples_of(&self, run: Run) -> Dataset {
        match run {
            Run::Full => self.dataset.clone(),
            Run::WithoutFold(fold) => self.dataset.filtered(|example| !self.is_left_out(example, fold)),
        }
    }

    /// The predictors of all runs in their order, trained side by side.
    fn train(
        &self,
        runs: &[(Run, Dataset)],
        observer: &dyn Observer,
    ) -> Result<Option<Vec<Checkpoint>>, FitError> {
        let (next, has_failed, is_over) =
            (AtomicUsize::new(0), AtomicBool::new(false), AtomicBool::new(false));
        let next_run = || {
            if is_over.load(Ordering::Relaxed) {
                return None;
            }
            let index = next.fetch_add(1, Ordering::Relaxed);
            runs.get(index).map(|(run, dataset)| (index, *run, dataset))
        };
        let n_side_by_side = self.n_threads.get().min(runs.len());
        let n_threads_each = NonZero::new(self.n_threads.get() / n_side_by_side)
            .expect("no more runs side by side than threads");
        let work = || {
            let device = for_another_thread(self.device)?;
            std::iter::from_fn(next_run)
                .map(|(index, run, dataset)| {
                    let trained =
                        self.train_one(run, dataset, (&device, n_threads_each), observer, &has_failed);
                    has_failed.fetch_or(trained.is_err(), Ordering::Relaxed);
                    // Stopped, or failed: no other run begins.
                    is_over.fetch_or(!matches!(trained, Ok(Some(_))), Ordering::Relaxed);
                    Ok((index, trained?))
                })
                .collect::<Result<Vec<_>, FitError>>()
        };
        let mut trained = thread::scope(|scope| {
            let threads: Vec<_> = (0..n_side_by_side).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("training does not panic"))
                .collect::<Result<Vec<_>, _>>()
        })?
        .concat();
        trained.sort_by_key(|(index, _)| *index);
        Ok(trained.into_iter().map(|(_, checkpoint)| checkpoint).collect())
    }

    fn train_one(
        &self,
        run: Run,
        dataset: &Dataset,
        (device, n_threads): (&Device, NonZero<usize>),
        observer: &dyn Observer,
        has_failed: &AtomicBool,
    ) -> Result<Option<Checkpoint>, FitError> {
        let mut trainer = Trainer::new(self.config, dataset, self.seed, device)?.on_threads(n_threads);
        if let Some(start) = self.start.filter(|_| run == Run::Full) {
            trainer = trainer.started_from(start)?;
        }
        if let Some(state) = observer.stored_state(run)? {
            trainer = trainer.resumed(&state)?;
            observer.resumed(run, trainer.n_epochs_done());
            if trainer.is_done() {
                // As it was stored.
                return Ok(Some(trainer.checkpoint()?));
            }
        }
        while !trainer.is_done() {
            if has_failed.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let epoch = trainer.run_epoch()?;
            if observer.epoch_done(run, &trainer, &epoch)?.is_break() {
                observer.store_state(run, &trainer.state()?)?;
                return Ok(None);
            }
        }
        observer.store_state(run, &trainer.state()?)?;
        Ok(Some(trainer.checkpoint()?))
    }

    /// One calibration for each target.
    fn calibrations(&self, full: &Checkpoint, folds: &[Checkpoint]) -> Result<Vec<Calibration>, FitError> {
        let reference = self.dataset.space.sample(REFERENCE_SIZE, 0);
        if reference.len() < 2 {
            return Err(FitError::NoCalibration);
        }
        let full = Model::load(full, self.device)?;
        let full_scores = self.reference_scores(&full, &reference)?;

        let n_targets = self.dataset.targets.len();
        let mut points = vec![Vec::new(); n_targets];
        for (fold, checkpoint) in folds.iter().enumerate() {
            let model = Model::load(checkpoint, self.device)?;
            let fold_scores = self.reference_scores(&model, &reference)?;
            let left_out = self.dataset.filtered(|example| self.is_left_out(example, fold));
            let inputs: Vec<Input<'_>> = left_out.examples.iter().map(Example::input).collect();
            let scores = scores_in_parallel(&model, &inputs, self.n_threads)?;
            for (example, scores) in left_out.examples.iter().zip(scores) {
                for target in 0..n_targets {
                    if let Some(label) = example.labels[target] {
                        points[target].push((fold_scores[target].position(scores[target]), label));
                    }
                }
            }
        }
        points
            .into_iter()
            .zip(&full_scores)
            .map(|(points, full_scores)| {
                calibration(points, full_scores, self.dataset).ok_or(FitError::NoCalibration)
            })
            .collect()
    }

    /// The scores of a model for the sample of the space, for each target.
    fn reference_scores(
        &self,
        model: &Model,
        reference: &[Architecture],
    ) -> Result<Vec<ReferenceScores>, FitError> {
        let inputs: Vec<Input<'_>> = reference.iter().map(Input::from).collect();
        let scores = scores_in_parallel(model, &inputs, self.n_threads)?;
        let of_target = |target: usize| ReferenceScores::new(scores.iter().map(|row| row[target]).collect());
        Ok((0..self.dataset.targets.len()).map(of_target).collect())
    }
}
