//! What champion and challenger say of the holdout, and what is reported of it.

use std::collections::BTreeMap;
use std::num::NonZero;

use candle_core::Device;
use serde::{Deserialize, Serialize};

use crate::domain::{Budget, GateMargins, ModelVersionId, Sequence, Task};
use crate::fit::{Dataset, Evaluation, Example};
use crate::metrics::kendall_tau;
use crate::model::{self, Checkpoint, CheckpointError, Header, HoldoutRule, Input, Model};
use crate::retraining::dataset::Datasets;
use crate::retraining::gate::{Contender, Decision, Judgement, Known, decide};
use crate::space::SaliencyOrigin;

/// Architectures scored at once.
const BATCH_SIZE: usize = 128;

/// Why a version could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// Its checkpoint is none.
    #[error("could not load the checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// It does not score the holdout.
    #[error("could not score the holdout")]
    Score(#[from] model::Error),
    /// The report is no JSON.
    #[error("could not write the report")]
    Report(#[from] serde_json::Error),
}

/// What a run reports of the version it made. The same snapshot, seed and start have the same report.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Architectures trained on.
    pub n_training: usize,
    /// Classes among them.
    pub n_training_classes: usize,
    /// The version whose weights the training started from; `None` where it was from scratch.
    pub started_from: Option<String>,
    /// One for each budget it learnt.
    pub targets: Vec<TargetReport>,
}

/// What is reported of one budget.
#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    /// The budget.
    pub budget: Option<Budget>,
    /// Agreement on the holdout, where that is not empty. Infeasible architectures take no part.
    pub holdout: Option<Evaluation>,
}

/// The checkpoint with the task it is for, how the saliencies were measured that it was trained on, the rule that kept
/// rows back, and the report.
///
/// # Errors
/// When it cannot be loaded or scored with.
pub fn described(
    checkpoint: &Checkpoint,
    task: &Task,
    datasets: &Datasets,
    saliencies: Option<&SaliencyOrigin>,
    started_from: Option<&ModelVersionId>,
) -> Result<(Checkpoint, Report), JudgeError> {
    let Datasets { training, holdout, .. } = datasets;
    let model = Model::load(checkpoint, &Device::Cpu)?;
    let mut targets = Vec::with_capacity(training.targets.len());
    for (index, target) in training.targets.iter().enumerate() {
        let evaluation = match holdout.examples.len() {
            0 => None,
            _ => Some(Evaluation::of_model(&model, index, holdout, index, NonZero::<usize>::MIN)?),
        };
        targets.push(TargetReport { budget: target.budget, holdout: evaluation });
    }
    let report = Report {
        n_training: training.examples.len(),
        n_training_classes: training.classes().len(),
        started_from: started_from.map(ToString::to_string),
        targets,
    };
    let mut header = checkpoint.header().clone();
    header.task = Some(task.name.to_string());
    header.saliencies = saliencies.cloned();
    header.holdout = Some(rule(task));
    header.report = serde_json::to_value(&report)?;
    Ok((checkpoint.with_header(&header)?, report))
}

/// Whether the holdout was kept back from a checkpoint, as far as its header tells.
pub(in crate::retraining) fn is_kept_back<'a>(
    header: &Header,
    task: &Task,
    holdout: impl IntoIterator<Item = &'a Example>,
) -> bool {
    let has_seen = holdout.into_iter().any(|example| header.trained_on.contains(&example.class));
    header.holdout == Some(rule(task)) && !has_seen
}

fn rule(task: &Task) -> HoldoutRule {
    HoldoutRule { salt: task.holdout.salt().to_owned(), share: task.holdout.share() }
}

/// The champion that a challenger is compared with.
#[derive(Clone, Debug)]
pub struct Champion {
    /// Its file; `None` where it cannot be read, and then it stays.
    pub checkpoint: Option<Checkpoint>,
    /// It was trained on what was recorded up to here, where that is known.
    pub trained_up_to: Option<Sequence>,
    /// The holdout with its own saliencies, where these are others than the challenger's: the same rows.
    pub holdout: Option<Dataset>,
}

/// Decides whether the challenger becomes champion, on the rows of the holdout that came out somehow at the
/// largest budget learnt. A champion that cannot be read or does not score stays.
///
/// # Errors
/// When the challenger cannot be loaded or scored with.
pub fn judge(
    task: &Task,
    datasets: &Datasets,
    challenger: &Checkpoint,
    champion: Option<&Champion>,
    margins: &GateMargins,
    is_paused: bool,
) -> Result<(Decision, Option<Drift>), JudgeError> {
    let rows = Rows::of(&datasets.holdout);
    let challenger = Scored::new(challenger, task, &rows)?;
    let scored = champion.map(|champion| {
        let own = champion.holdout.as_ref().map(Rows::of).filter(|own| own.merits == rows.merits);
        let seen = own.as_ref().unwrap_or(&rows);
        let scored = champion.checkpoint.as_ref().map(|checkpoint| Scored::new(checkpoint, task, seen));
        match scored {
            Some(Ok(scored)) => scored,
            Some(Err(error)) => {
                tracing::warn!(task = %task.name, error = &error as &dyn std::error::Error, "champion cannot be judged");
                Scored::unreadable(rows.examples.len())
            }
            None => Scored::unreadable(rows.examples.len()),
        }
    });
    let judgement = Judgement {
        merits: &rows.merits,
        budget: rows.budget,
        challenger: challenger.contender(),
        champion: scored.as_ref().map(Scored::contender),
        is_paused,
    };
    let drift = champion.filter(|champion| champion.holdout.is_none()).and_then(|champion| {
        let (checkpoint, up_to) = (champion.checkpoint.as_ref()?, champion.trained_up_to?);
        let after = Rows::after(&datasets.training, &datasets.first_seen, up_to);
        let scored_after = Scored::new(checkpoint, task, &after).ok()?;
        let holdout = scored.as_ref()?;
        Some(drift((&scored_after.scores, &after.merits), (&holdout.scores, &rows.merits)))
    });
    Ok((decide(&judgement, margins), drift))
}

/// Rows with an outcome at the largest budget of a dataset.
struct Rows<'a> {
    examples: Vec<&'a Example>,
    merits: Vec<f64>,
    budget: Budget,
}

impl<'a> Rows<'a> {
    fn of(dataset: &'a Dataset) -> Self {
        Self::filtered(dataset, |_| true)
    }

    /// Those of architectures that were first observed after a number.
    fn after(dataset: &'a Dataset, first_seen: &BTreeMap<String, Sequence>, number: Sequence) -> Self {
        Self::filtered(dataset, |example| {
            first_seen.get(example.architecture.text()).is_some_and(|first| *first > number)
        })
    }

    fn filtered(dataset: &'a Dataset, keep: impl Fn(&Example) -> bool) -> Self {
        let last = dataset.targets.len().saturating_sub(1);
        let budget = dataset.targets.last().and_then(|target| target.budget).unwrap_or(Budget(0));
        let kept = dataset.examples.iter().filter(|example| keep(example));
        let (examples, merits) =
            kept.filter_map(|example| Some((example, example.merit(last, dataset.goal)?))).unzip();
        Self { examples, merits, budget }
    }
}

/// What a version says of rows.
struct Scored {
    scores: Vec<f64>,
    last_budget: Option<Budget>,
    is_calibrated: bool,
    training: Known,
}

impl Scored {
    fn new(checkpoint: &Checkpoint, task: &Task, rows: &Rows<'_>) -> Result<Self, JudgeError> {
        let model = Model::load(checkpoint, &Device::Cpu)?;
        let header = model.header();
        let heads = &header.steps;
        let of_budget = heads.iter().position(|head| head.budget == Some(rows.budget.0));
        let step = of_budget.unwrap_or(heads.len() - 1);
        let mut scores = Vec::with_capacity(rows.examples.len());
        for batch in rows.examples.chunks(BATCH_SIZE) {
            let inputs: Vec<Input<'_>> = batch.iter().map(|example| example.input()).collect();
            // Raw, for there larger is better whatever the goal, and nothing is cut off at a range's end.
            scores.extend(model.raw_scores(&inputs)?.iter().map(|row| row[step]));
        }
        let is_kept_back = is_kept_back(header, task, rows.examples.iter().copied());
        Ok(Self {
            scores,
            last_budget: heads.iter().filter_map(|head| head.budget).max().map(Budget),
            is_calibrated: model.is_calibrated(),
            training: if is_kept_back { Known::KeptBack } else { Known::Unknown },
        })
    }

    /// Of which nothing can be said, so that nothing is better.
    fn unreadable(n_rows: usize) -> Self {
        let scores = vec![f64::NAN; n_rows];
        Self { scores, last_budget: None, is_calibrated: false, training: Known::Unknown }
    }

    fn contender(&self) -> Contender<'_> {
        Contender {
            scores: &self.scores,
            last_budget: self.last_budget,
            is_calibrated: self.is_calibrated,
            training: self.training,
        }
    }
}

/// How well a champion ranks what came after it. Shown, not acted on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Architectures first observed after it was trained.
    pub n_after: usize,
    /// Its tau on these.
    pub tau_after: Option<f64>,
    /// Rows of the holdout that came out in the same range.
    pub n_holdout: usize,
    /// Its tau on those: controllers look at good architectures, and among these any tau is lower.
    pub tau_holdout: Option<f64>,
}

/// Compares tau on what came after a version with tau on the holdout over the same range of merits. Each is
/// given as scores and merits, larger is better.
///
/// # Panics
/// When scores and merits are not of the same rows.
#[must_use]
pub fn drift(after: (&[f64], &[f64]), holdout: (&[f64], &[f64])) -> Drift {
    let range = after.1.iter().fold(None, |range: Option<(f64, f64)>, &merit| {
        let (low, high) = range.unwrap_or((merit, merit));
        Some((low.min(merit), high.max(merit)))
    });
    let is_inside = |merit: f64| range.is_some_and(|(low, high)| (low..=high).contains(&merit));
    let inside = holdout.0.iter().copied().zip(holdout.1.iter().copied());
    let (scores, merits): (Vec<f64>, Vec<f64>) = inside.filter(|(_, merit)| is_inside(*merit)).unzip();
    Drift {
        n_after: after.1.len(),
        tau_after: kendall_tau(after.0, after.1),
        n_holdout: merits.len(),
        tau_holdout: kendall_tau(&scores, &merits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_compares_over_the_same_range() {
        let holdout_merits = [10.0, 20.0, 90.0, 91.0, 92.0, 93.0];
        let holdout_scores = [0.1, 0.2, 0.9, 0.8, 0.7, 0.95];
        let found = drift((&[0.5, 0.6, 0.4], &[90.0, 91.0, 92.5]), (&holdout_scores, &holdout_merits));
        assert_eq!((found.n_after, found.n_holdout), (3, 3), "90 to 92.5");
        assert_eq!(found.tau_holdout, Some(-1.0));
        assert!((found.tau_after.expect("defined") + 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_after_is_no_drift() {
        let found = drift((&[], &[]), (&[0.1, 0.2], &[1.0, 2.0]));
        assert_eq!(found, Drift { n_after: 0, tau_after: None, n_holdout: 0, tau_holdout: None });
    }
}
