//! Training runs on the wire.

use crate::domain;
use crate::pb::{self, time};

impl From<domain::RunState> for pb::RunState {
    fn from(state: domain::RunState) -> Self {
        match state {
            domain::RunState::Queued => Self::Queued,
            domain::RunState::Running => Self::Running,
            domain::RunState::Succeeded => Self::Succeeded,
            domain::RunState::Failed => Self::Failed,
            domain::RunState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<domain::Progress> for pb::TrainingProgress {
    fn from(progress: domain::Progress) -> Self {
        Self {
            epoch: progress.epoch,
            n_epochs: progress.n_epochs,
            loss: progress.loss,
            holdout_tau: progress.holdout_tau,
            seconds_left: progress.seconds_left,
        }
    }
}

impl From<&domain::TrainingRun> for pb::TrainingRun {
    fn from(run: &domain::TrainingRun) -> Self {
        let error = |error: &domain::RunError| pb::TrainingError {
            at: Some(time::encode(error.at)),
            message: error.message.clone(),
        };
        Self {
            run: run.id.0,
            task: run.task.to_string(),
            state: pb::RunState::from(run.state).into(),
            why: run.why.clone(),
            up_to: run.up_to.map(|sequence| sequence.0),
            n_attempts: run.n_attempts,
            lease_expires_at: run.lease_expires_at.map(time::encode),
            heartbeat_at: run.heartbeat_at.map(time::encode),
            not_before: Some(time::encode(run.not_before)),
            is_cancel_requested: run.is_cancel_requested,
            progress: run.progress.map(Into::into),
            errors: run.errors.iter().map(error).collect(),
            model_version: run.version.as_ref().map(ToString::to_string),
            created_at: Some(time::encode(run.created_at)),
            started_at: run.started_at.map(time::encode),
            finished_at: run.finished_at.map(time::encode),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ModelVersionId, Progress, RunError, RunId, RunState, Sequence, TaskName, Timestamp};

    use super::*;

    #[test]
    fn all_of_a_run_is_said_and_what_is_not_known_is_left_out() {
        let at = |unix_micros| Timestamp { unix_micros };
        let queued = domain::TrainingRun {
            id: RunId(7),
            task: TaskName::new("t").expect("a name"),
            state: RunState::Queued,
            why: "requested".into(),
            up_to: None,
            n_attempts: 0,
            lease_expires_at: None,
            heartbeat_at: None,
            not_before: at(1),
            is_cancel_requested: false,
            progress: None,
            errors: Vec::new(),
            version: None,
            created_at: at(1),
            started_at: None,
            finished_at: None,
        };
        let message = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let first = Some(prost_types::Timestamp { seconds: 0, nanos: 1_000 });
        let expected = pb::TrainingRun {
            run: 7,
            task: "t".into(),
            state: pb::RunState::Queued.into(),
            why: "requested".into(),
            not_before: first,
            created_at: first,
            ..Default::default()
        };
        assert_eq!(pb::TrainingRun::from(&queued), expected);

        let done = domain::TrainingRun {
            state: RunState::Succeeded,
            up_to: Some(Sequence(9)),
            n_attempts: 2,
            lease_expires_at: Some(at(2_000_000)),
            heartbeat_at: Some(at(3_000_000)),
            is_cancel_requested: true,
            progress: Some(Progress { epoch: 1, n_epochs: 2, loss: Some(0.5), ..Progress::default() }),
            errors: vec![RunError { at: at(4_000_000), message: "it died".into() }],
            version: Some(ModelVersionId("v".into())),
            started_at: Some(at(5_000_000)),
            finished_at: Some(at(6_000_000)),
            ..queued
        };
        let progress = pb::TrainingProgress { epoch: 1, n_epochs: 2, loss: Some(0.5), ..Default::default() };
        let expected = pb::TrainingRun {
            state: pb::RunState::Succeeded.into(),
            up_to: Some(9),
            n_attempts: 2,
            lease_expires_at: message(2),
            heartbeat_at: message(3),
            is_cancel_requested: true,
            progress: Some(progress),
            errors: vec![pb::TrainingError { at: message(4), message: "it died".into() }],
            model_version: Some("v".into()),
            started_at: message(5),
            finished_at: message(6),
            ..expected
        };
        assert_eq!(pb::TrainingRun::from(&done), expected);
    }
}
