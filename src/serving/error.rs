//! Why a prediction, or the start of serving, failed.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{ModelVersionId, TaskName, Unit};
use crate::model;

/// Tasks that an error names at most.
const N_NAMED: usize = 10;

/// Why candidates were not scored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Which tasks there are is not known yet.
    #[error("no task is served yet: the database was not reachable so far")]
    NotReady,
    /// No task was named, and there is not exactly one.
    #[error("name a task: {} are served ({})", .known.len(), names(.known))]
    TaskNotNamed {
        /// What is served.
        known: Vec<TaskName>,
    },
    /// No such task is served.
    #[error("task {task} is not served here")]
    UnknownTask {
        /// The name asked for.
        task: TaskName,
    },
    /// The champion cannot be loaded here.
    #[error("model version {version} of task {task} could not be loaded, the server's log says why")]
    NotLoaded {
        /// The task.
        task: TaskName,
        /// Its champion.
        version: ModelVersionId,
    },
    /// The task has no champion yet.
    #[error(
        "task {task} has no promoted model yet: one is trained when enough was observed (tagates runs list, models list)"
    )]
    NoModel {
        /// The task.
        task: TaskName,
    },
    /// The version asked for is not loaded.
    #[error("model version {asked:.64} of task {task} is not loaded, the current version is {current}")]
    UnknownVersion {
        /// The task.
        task: TaskName,
        /// What was asked for.
        asked: ModelVersionId,
        /// What could be asked for.
        current: ModelVersionId,
    },
    /// Anytime scores were asked of a model with a single one.
    #[error("model version {version} of task {task} was trained for a single score, it has no steps")]
    NoSteps {
        /// The task.
        task: TaskName,
        /// Its current version.
        version: ModelVersionId,
    },
    /// The queue is full.
    #[error("prediction queue is full ({n_queued} architectures wait), retry in {} ms", .retry_after.as_millis())]
    Overloaded {
        /// Architectures that wait.
        n_queued: usize,
        /// How long the model will need for them, going by its present pace.
        retry_after: Duration,
    },
    /// The queue of saliencies to be measured is full.
    #[error(
        "queue of saliencies to be measured is full ({n_queued} architectures wait), retry in {} ms",
        .retry_after.as_millis()
    )]
    SaliencyQueueFull {
        /// Architectures that wait.
        n_queued: usize,
        /// How long they will take, going by the last one.
        retry_after: Duration,
    },
    /// The deadline passed first.
    #[error("deadline passed before the model could answer")]
    DeadlineExceeded,
    /// The service takes no more work.
    #[error("service is stopping")]
    Stopping,
    /// The model failed on a batch.
    #[error("model failed")]
    Inference(#[source] Arc<model::Error>),
}

/// Why a checkpoint does not answer for a task.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A checkpoint of one space for a task of another.
    #[error("checkpoint scores space {found}, task {task} is about {expected}")]
    OtherSpace {
        /// The checkpoint's space.
        found: String,
        /// The task.
        task: TaskName,
        /// The task's space.
        expected: String,
    },
    /// A checkpoint that is no model.
    #[error("could not load the model of task {task}")]
    Checkpoint {
        /// The task.
        task: TaskName,
        /// What is wrong.
        source: model::CheckpointError,
    },
    /// Scores in one unit for a task in another.
    #[error("checkpoint predicts values from {} to {}, task {task} is in {unit:?}", .range.0, .range.1)]
    OtherUnit {
        /// Smallest and largest value of the checkpoint's unit.
        range: (f64, f64),
        /// The task.
        task: TaskName,
        /// The task's unit.
        unit: Unit,
    },
    /// The model did not answer a first question.
    #[error("model of task {task} did not answer")]
    WarmUp {
        /// The task.
        task: TaskName,
        /// What went wrong.
        source: WarmUpError,
    },
}

/// Why a model did not answer a first question.
#[derive(Debug, thiserror::Error)]
pub enum WarmUpError {
    /// It failed.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// Its answer was no number.
    #[error("its score is not finite")]
    NotFinite,
}

/// The first few: an error travels in a header, which has a limit.
fn names(tasks: &[TaskName]) -> String {
    let more = if tasks.len() > N_NAMED { ", .." } else { "" };
    tasks.iter().take(N_NAMED).map(TaskName::as_str).collect::<Vec<_>>().join(", ") + more
}
