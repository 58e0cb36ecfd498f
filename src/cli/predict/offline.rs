//! The model in this process, on every core.

use std::num::NonZero;
use std::path::Path;

use anyhow::bail;
use candle_core::Device;

use crate::app::shipped;
use crate::cli::lines::Line;
use crate::cli::predict::{Predictor, Scores};
use crate::cli::{available_threads, task_of};
use crate::domain::{Budget, ModelVersionId, Prediction, ScoreKind, StepPrediction, Unit};
use crate::model::{self, Input, Model};
use crate::space::Architecture;

/// Lines a thread scores between two prints: many batches, so that threads seldom wait for each other.
const LINES_PER_THREAD: usize = 2_048;

/// A loaded model.
pub(super) struct Offline {
    model: Model,
    model_version: ModelVersionId,
    score_kind: ScoreKind,
    unit: Option<Unit>,
    n_threads: NonZero<usize>,
}

impl Offline {
    /// Loads a checkpoint, the shipped one where none is named.
    ///
    /// # Errors
    /// When it cannot be read, is no model, or has a single score where the steps are wanted.
    pub fn load(checkpoint: Option<&Path>, anytime: bool, device: &Device) -> anyhow::Result<Self> {
        let checkpoint = shipped::checkpoint_or(checkpoint)?;
        let model = Model::load(&checkpoint, device)?;
        if anytime && model.header().steps.len() < 2 {
            bail!("the model was trained for a single score, it has no steps (--anytime)");
        }
        let (score_kind, unit) = if model.is_calibrated() {
            (ScoreKind::Metric, task_of(&checkpoint).map(|task| task.unit))
        } else {
            (ScoreKind::Rank, None)
        };
        Ok(Self {
            model_version: ModelVersionId::of_digest(&checkpoint.digest()),
            score_kind,
            unit,
            n_threads: available_threads(),
            model,
        })
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

impl Predictor for Offline {
    fn n_lines(&self) -> usize {
        self.n_threads.get() * LINES_PER_THREAD
    }

    fn score(&mut self, lines: &[Line]) -> anyhow::Result<Scores> {
        let parsed: Vec<Result<Architecture, String>> = lines.iter().map(|line| self.parse(line)).collect();
        let inputs: Vec<Input<'_>> = parsed.iter().flatten().map(Input::from).collect();
        let mut rows = model::scores_in_parallel(&self.model, &inputs, self.n_threads)?.into_iter();
        let predictions = parsed.iter().map(|parsed| {
            parsed.as_ref().map_err(String::clone)?;
            Ok(self.prediction(rows.next().expect("the model scores every input")))
        });
        Ok(Scores {
            model_version: self.model_version.to_string(),
            score_kind: self.score_kind,
            unit: self.unit,
            predictions: predictions.collect(),
        })
    }
}
