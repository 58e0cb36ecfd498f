//! The model in this process, on every core.

use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use anyhow::{Context, bail};
use candle_core::Device;

use crate::app::shipped;
use crate::cli::lines::Line;
use crate::cli::predict::Scores;
use crate::domain::{Budget, ModelVersionId, Prediction, ScoreKind, StepPrediction, Task, TaskName, Unit};
use crate::model::{self, Checkpoint, Input, Model};
use crate::space::Architecture;

/// Architectures a thread scores at once.
const BATCH: usize = 128;

/// Batches a thread scores before the results are printed.
const BATCHES_PER_THREAD: usize = 16;

/// A loaded model.
pub(super) struct Offline {
    model: Model,
    model_version: ModelVersionId,
    score_kind: ScoreKind,
    unit: Option<Unit>,
    n_threads: usize,
}

impl Offline {
    /// Loads a checkpoint, the shipped one where none is named.
    ///
    /// # Errors
    /// When it cannot be read, is no model, or has a single score where the steps are wanted.
    pub fn load(checkpoint: Option<&Path>, anytime: bool) -> anyhow::Result<Self> {
        let checkpoint = match checkpoint {
            Some(path) => Checkpoint::read(path).with_context(|| format!("checkpoint {}", path.display()))?,
            None => shipped::checkpoint()?,
        };
        let model = Model::load(&checkpoint, &Device::Cpu)?;
        if anytime && model.header().steps.len() < 2 {
            bail!("the model was trained for a single score, it has no steps (--anytime)");
        }
        let task = checkpoint.header().task.as_deref().and_then(|name| Task::builtin(&TaskName::new(name).ok()?));
        let (score_kind, unit) = match model.is_calibrated() {
            true => (ScoreKind::Metric, task.map(|task| task.unit)),
            false => (ScoreKind::Rank, None),
        };
        Ok(Self {
            model_version: ModelVersionId::of_digest(&checkpoint.digest()),
            score_kind,
            unit,
            n_threads: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            model,
        })
    }

    /// Lines that keep every thread busy between two prints.
    pub fn n_lines(&self) -> usize {
        self.n_threads * BATCHES_PER_THREAD * BATCH
    }

    /// Each thread takes an equal share of the lines.
    pub fn score(&self, lines: &[Line]) -> anyhow::Result<Scores> {
        let share = lines.len().div_ceil(self.n_threads).max(1);
        let shares: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (lines.chunks(share))
                .map(|share| scope.spawn(|| model::single_threaded(|| self.score_share(share))))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("the model does not panic")).collect()
        });
        let mut predictions = Vec::with_capacity(lines.len());
        for share in shares {
            predictions.extend(share?);
        }
        let model_version = self.model_version.to_string();
        Ok(Scores { model_version, score_kind: self.score_kind, unit: self.unit, predictions })
    }

    fn score_share(&self, lines: &[Line]) -> Result<Vec<Result<Prediction, String>>, model::Error> {
        let mut predictions = Vec::with_capacity(lines.len());
        for batch in lines.chunks(BATCH) {
            let parsed: Vec<Result<Architecture, String>> = batch.iter().map(|line| self.parse(line)).collect();
            let inputs: Vec<Input<'_>> = parsed.iter().flatten().map(Input::from).collect();
            let mut rows = self.model.scores(&inputs)?.into_iter();
            predictions.extend((parsed.iter()).map(|parsed| {
                parsed.as_ref().map_err(String::clone)?;
                Ok(self.prediction(rows.next().expect("the model scores every input")))
            }));
        }
        Ok(predictions)
    }

    /// The architecture, if the model can score it.
    fn parse(&self, line: &Line) -> Result<Architecture, String> {
        let architecture = self.model.space().parse(&line.text).map_err(|error| error.to_string())?;
        self.model.check(&Input::from(&architecture)).map_err(|error| error.to_string())?;
        Ok(architecture)
    }

    fn prediction(&self, scores: Vec<f64>) -> Prediction {
        let steps = (self.model.header().steps.iter().zip(scores))
            .map(|(head, score)| StepPrediction { budget: head.budget.map(Budget), score });
        Prediction { steps: steps.collect() }
    }
}
