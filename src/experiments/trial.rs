//! One encoder, trained on one training set and ranked by the test rows.

use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::experiments::journal::{Outcome, TargetOutcome};
use crate::fit::{Dataset, Epoch, Evaluation, Example, FitConfig, FitError, Observer, Plan, Run, Trainer};
use crate::model::{Input, Model};

/// Epochs at the end whose predictors rank the test rows, as the paper reports their mean.
const N_RANKED: usize = 5;
/// Test rows whose predictions are kept to be drawn.
const N_SAMPLED: usize = 500;

/// Names a trial of a grid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Trial {
    /// The encoder's name.
    pub encoder: String,
    /// Rows trained on.
    pub n: usize,
    /// Rows passed over first.
    pub start: usize,
    /// Where all chance comes from.
    pub seed: u64,
    /// SHA-256 of everything else its outcome depends on: table, configuration, targets.
    pub setting: String,
}

impl Trial {
    /// The rows of `all` that it trains on, going on from the first where they end.
    #[must_use]
    pub fn training_set(&self, all: &Dataset) -> Dataset {
        let mut examples = all.examples.clone();
        let start = self.start.checked_rem(examples.len()).unwrap_or(0);
        examples.rotate_left(start);
        examples.truncate(self.n);
        Dataset { examples, ..all.clone() }
    }

    /// Trains on `training` and ranks `test`; one predictor for all targets or, where they are apart, one for each.
    /// `None` where `stop` was set before the end.
    ///
    /// # Errors
    /// When a training fails.
    pub fn outcome(
        &self,
        config: &FitConfig,
        each_target_apart: bool,
        (training, test): (&Dataset, &Dataset),
        device: &Device,
        stop: &AtomicBool,
    ) -> Result<Option<Outcome>, FitError> {
        let targets = if each_target_apart {
            let apart = |target: usize| {
                ranked(config, self.seed, (&only(training, target), &only(test, target)), device, stop)
            };
            let parts = (0..training.targets.len()).map(apart).collect::<Result<Option<Vec<_>>, _>>()?;
            parts.map(|parts| parts.concat())
        } else {
            ranked(config, self.seed, (training, test), device, stop)?
        };
        Ok(targets.map(|targets| Outcome { trial: self.clone(), targets }))
    }
}

/// The dataset with one of its targets.
fn only(dataset: &Dataset, target: usize) -> Dataset {
    let mut dataset = dataset.clone();
    dataset.targets = vec![dataset.targets[target].clone()];
    for example in &mut dataset.examples {
        example.labels = vec![example.labels[target]];
    }
    dataset.filtered(|example| example.labels[0].is_some())
}

fn ranked(
    config: &FitConfig,
    seed: u64,
    (training, test): (&Dataset, &Dataset),
    device: &Device,
    stop: &AtomicBool,
) -> Result<Option<Vec<TargetOutcome>>, FitError> {
    let plan = Plan {
        config,
        dataset: training,
        seed,
        n_folds: None,
        may_stay_uncalibrated: true,
        start: None,
        device,
        n_threads: NonZero::<usize>::MIN,
    };
    let observer = Ranks { n_epochs: config.n_epochs, test, stop, evaluations: Mutex::default() };
    let Some(checkpoint) = plan.fit(&observer)? else { return Ok(None) };
    let model = Model::load(&checkpoint, device)?;
    let sampled = &test.examples[..test.examples.len().min(N_SAMPLED)];
    let scores = model.scores(&sampled.iter().map(Example::input).collect::<Vec<Input<'_>>>())?;
    let sample = |target: usize| {
        let measured = sampled.iter().zip(&scores);
        measured.filter_map(|(example, scores)| Some((scores[target], example.labels[target]?))).collect()
    };
    let epochs = observer.evaluations.into_inner().unwrap_or_else(PoisonError::into_inner);
    let outcome = |(target, name): (usize, &crate::fit::Target)| {
        let of_epochs: Vec<&Evaluation> = epochs.iter().map(|evaluations| &evaluations[target]).collect();
        TargetOutcome::new(&name.column, &of_epochs, sample(target))
    };
    Ok(Some(test.targets.iter().enumerate().map(outcome).collect()))
}

/// Ranks the test rows after each of the last epochs.
struct Ranks<'a> {
    n_epochs: usize,
    test: &'a Dataset,
    stop: &'a AtomicBool,
    /// For each of these epochs, for each target.
    evaluations: Mutex<Vec<Vec<Evaluation>>>,
}

impl Observer for Ranks<'_> {
    /// A trial that was stopped starts anew.
    fn stored_state(&self, _: Run) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn resumed(&self, _: Run, _: usize) {}

    fn store_state(&self, _: Run, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }

    fn epoch_done(&self, _: Run, trainer: &Trainer<'_>, epoch: &Epoch) -> Result<ControlFlow<()>, FitError> {
        if epoch.number + N_RANKED > self.n_epochs {
            let model = Model::load(&trainer.checkpoint()?, trainer.device())?;
            let of_target =
                |target| Evaluation::of_model(&model, target, self.test, target, NonZero::<usize>::MIN);
            let evaluations = (0..self.test.targets.len()).map(of_target).collect::<Result<_, _>>()?;
            self.evaluations.lock().unwrap_or_else(PoisonError::into_inner).push(evaluations);
        }
        Ok(if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Goal, Unit};
    use crate::fit::{Example, Target};
    use crate::space::nasbench201;

    fn dataset(n: usize) -> Dataset {
        let targets = ["after_12", "after_200"].map(Target::of_column);
        let examples =
            nasbench201().sample(n, 0).into_iter().enumerate().map(|(index, architecture)| Example {
                class: architecture.canonical().id,
                architecture,
                saliencies: None,
                labels: vec![(index > 0).then_some(index as f64), Some(2.0 * index as f64)],
                infeasible: Vec::new(),
            });
        let all = Dataset::empty(&nasbench201(), &targets, (Goal::Maximize, Unit::Percent));
        Dataset { examples: examples.collect(), ..all }
    }

    #[test]
    fn training_sets_go_on_from_the_first_row() {
        let trial = Trial { encoder: "GATES".to_owned(), n: 3, start: 4, seed: 0, setting: String::new() };
        let labels: Vec<_> = trial.training_set(&dataset(5)).labels(1);
        assert_eq!(labels, [Some(8.0), Some(0.0), Some(2.0)]);
    }

    #[test]
    fn a_target_apart_has_only_the_examples_that_were_measured_for_it() {
        let first = only(&dataset(5), 0);
        assert_eq!(first.labels(0), [1.0, 2.0, 3.0, 4.0].map(Some));
        assert_eq!(first.targets[0].column, "after_12");
    }
}
