//! How a training run is printed.

use serde::Serialize;

use crate::pb;

/// A run, with the names of the wire.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    run: i64,
    task: String,
    state: &'static str,
    why: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    up_to: Option<i64>,
    n_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    is_cancel_requested: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<ProgressRecord>,
    errors: Vec<ErrorRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
}

/// What is null is not known.
#[derive(Debug, Serialize)]
struct ProgressRecord {
    epoch: u32,
    n_epochs: u32,
    loss: Option<f64>,
    holdout_tau: Option<f64>,
    seconds_left: Option<f64>,
}

#[derive(Debug, Serialize)]
struct ErrorRecord {
    at: Option<String>,
    message: String,
}

impl From<pb::TrainingRun> for Record {
    fn from(run: pb::TrainingRun) -> Self {
        let moment = |moment: Option<prost_types::Timestamp>| moment.map(|moment| moment.to_string());
        let error = |error: pb::TrainingError| ErrorRecord { at: moment(error.at), message: error.message };
        Self {
            state: match run.state() {
                pb::RunState::Unspecified => "unspecified",
                pb::RunState::Queued => "queued",
                pb::RunState::Running => "running",
                pb::RunState::Succeeded => "succeeded",
                pb::RunState::Failed => "failed",
                pb::RunState::Cancelled => "cancelled",
            },
            run: run.run,
            task: run.task,
            why: run.why,
            up_to: run.up_to,
            n_attempts: run.n_attempts,
            lease_expires_at: moment(run.lease_expires_at),
            heartbeat_at: moment(run.heartbeat_at),
            not_before: moment(run.not_before),
            is_cancel_requested: run.is_cancel_requested,
            progress: run.progress.map(Into::into),
            errors: run.errors.into_iter().map(error).collect(),
            model_version: run.model_version,
            created_at: moment(run.created_at),
            started_at: moment(run.started_at),
            finished_at: moment(run.finished_at),
        }
    }
}

impl From<pb::TrainingProgress> for ProgressRecord {
    fn from(progress: pb::TrainingProgress) -> Self {
        Self {
            epoch: progress.epoch,
            n_epochs: progress.n_epochs,
            loss: progress.loss,
            holdout_tau: progress.holdout_tau,
            seconds_left: progress.seconds_left,
        }
    }
}
