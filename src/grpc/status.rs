//! Which error becomes which status: the one place that decides.

use std::time::Duration;

use prost::Message;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::domain::{ModelVersionId, TaskName, TrainingRun};
use crate::pb::WireError;
use crate::{serving, store};

/// How long to wait before a call is sent again that the database was not there for.
const DATABASE_RETRY_DELAY: Duration = Duration::from_secs(1);

/// How long to wait before a checkpoint is sent again that there was no room for.
const IMPORT_RETRY_DELAY: Duration = Duration::from_secs(5);

impl From<WireError> for Status {
    fn from(error: WireError) -> Self {
        let details = ErrorDetails::with_bad_request_violation(error.field(), error.reason());
        Self::with_error_details(Code::InvalidArgument, error.to_string(), details)
    }
}

impl From<serving::Error> for Status {
    fn from(error: serving::Error) -> Self {
        let message = error.to_string();
        match error {
            serving::Error::NotReady => unavailable(message),
            serving::Error::TaskNotNamed { .. } => WireError::new("task", message).into(),
            serving::Error::UnknownTask { task } => not_found("task", task.as_str()),
            serving::Error::NoModel { task } => {
                precondition("MODEL_PROMOTED", &format!("tasks/{task}"), message)
            }
            serving::Error::NotLoaded { task, version } => {
                precondition("MODEL_VERSION_LOADED", &subject(&task, &version), message)
            }
            serving::Error::UnknownVersion { task, asked, .. } => {
                precondition("MODEL_VERSION_LOADED", &subject(&task, &asked), message)
            }
            serving::Error::NoSteps { task, version } => {
                precondition("MODEL_HAS_STEPS", &subject(&task, &version), message)
            }
            serving::Error::Overloaded { retry_after, .. }
            | serving::Error::SaliencyQueueFull { retry_after, .. } => {
                let details = ErrorDetails::with_retry_info(Some(retry_after));
                Self::with_error_details(Code::ResourceExhausted, message, details)
            }
            serving::Error::DeadlineExceeded => Self::deadline_exceeded(message),
            serving::Error::Stopping => Self::unavailable(message),
            serving::Error::Inference(source) => {
                tracing::error!(error = &*source as &dyn std::error::Error, "model failed on a batch");
                Self::internal("the model failed, the server's log says how")
            }
        }
    }
}

impl From<store::Error> for Status {
    fn from(error: store::Error) -> Self {
        let message = error.to_string();
        match error {
            store::Error::Unavailable(source) => {
                tracing::warn!(error = &*source as &dyn std::error::Error, "database is not reachable");
                unavailable(message)
            }
            store::Error::UnknownTask(task) => not_found("task", task.as_str()),
            store::Error::Archived(task) => {
                precondition("TASK_TAKES_OBSERVATIONS", &format!("tasks/{task}"), message)
            }
            store::Error::EmptyFilter => WireError::new("filter", message).into(),
            store::Error::SnapshotAhead { .. } => Self::out_of_range(message),
            store::Error::Database(source) | store::Error::Corrupt { source, .. } => {
                tracing::error!(error = &*source as &dyn std::error::Error, "{message}");
                Self::internal("the database failed, the server's log says how")
            }
        }
    }
}

/// The same call may succeed a little later.
pub(in crate::grpc) fn unavailable(message: String) -> Status {
    let details = ErrorDetails::with_retry_info(Some(DATABASE_RETRY_DELAY));
    Status::with_error_details(Code::Unavailable, message, details)
}

/// This server cannot do it for one item.
pub(in crate::grpc) fn internal_item(message: String) -> Status {
    Status::with_error_details(Code::Internal, message, ErrorDetails::new())
}

/// There is such a thing, and another one.
pub(in crate::grpc) fn already_exists(kind: &str, name: &str) -> Status {
    let message = format!("another {kind} is called \"{name:.80}\"");
    let details = ErrorDetails::with_resource_info(kind, format!("{name:.80}"), "", &message);
    Status::with_error_details(Code::AlreadyExists, message, details)
}

/// There is no such thing.
pub(in crate::grpc) fn not_found(kind: &str, name: &str) -> Status {
    let message = format!("{kind} \"{name:.80}\" is not known here");
    let details = ErrorDetails::with_resource_info(kind, format!("{name:.80}"), "", &message);
    Status::with_error_details(Code::NotFound, message, details)
}

/// The task has a run that goes first.
pub(in crate::grpc) fn unfinished_run(run: &TrainingRun) -> Status {
    let message = format!("task {} has an unfinished training run: {}", run.task, run.id);
    let details = ErrorDetails::with_resource_info("training run", run.id.to_string(), "", &message);
    Status::with_error_details(Code::AlreadyExists, message, details)
}

/// There is no such version of the task.
pub(in crate::grpc) fn unknown_version(task: &TaskName, version: &ModelVersionId) -> Status {
    not_found("model version", &format!("{task}/{version}"))
}

/// Another champion is there than the caller thinks.
pub(in crate::grpc) fn other_champion(task: &TaskName, champion: Option<&ModelVersionId>) -> Status {
    let (subject, message) = match champion {
        Some(version) => (subject(task, version), format!("champion of task {task} is {version}")),
        None => (format!("tasks/{task}"), format!("task {task} has no champion")),
    };
    let kind = "CHAMPION_IS_EXPECTED";
    let details = ErrorDetails::with_precondition_failure_violation(kind, subject, &message);
    Status::with_error_details(Code::Aborted, message, details)
}

/// The version is known, but no longer what it needs to answer.
pub(in crate::grpc) fn checkpoint_dropped(task: &TaskName, version: &ModelVersionId) -> Status {
    let message = format!("checkpoint of version {version} of task {task} is not kept any more");
    precondition("CHECKPOINT_KEPT", &subject(task, version), message)
}

/// There is nothing to go back to.
pub(in crate::grpc) fn no_previous_champion(task: &TaskName, version: &ModelVersionId) -> Status {
    let message = format!("task {task} had no champion before {version}");
    precondition("PREVIOUS_CHAMPION", &subject(task, version), message)
}

/// As many imports are under way as there may be.
pub(in crate::grpc) fn too_many_imports(limit: usize) -> Status {
    let details = ErrorDetails::with_retry_info(Some(IMPORT_RETRY_DELAY));
    let message = format!("{limit} imports of checkpoints are under way, which is the limit");
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// A fault of ours, which the client learns nothing more of.
pub(in crate::grpc) fn internal(error: &(dyn std::error::Error + 'static), what: &str) -> Status {
    tracing::error!(error, "{what}");
    Status::internal(format!("{what}, the server's log says how"))
}

/// An item lacks saliencies that its model needs, in `field`.
pub(in crate::grpc) fn no_saliencies(task: &TaskName, field: &str, reason: &str) -> Status {
    let kind = "SALIENCIES_SENT_OR_MEASURED";
    let mut details =
        ErrorDetails::with_precondition_failure_violation(kind, format!("tasks/{task}"), reason);
    details.add_bad_request_violation(field, reason);
    Status::with_error_details(Code::FailedPrecondition, format!("{field}: {reason}"), details)
}

/// The status of one item of a call.
pub(in crate::grpc) fn of_item(error: impl Into<Status>) -> tonic_types::pb::Status {
    let status = error.into();
    tonic_types::pb::Status::decode(status.details()).expect("details are an encoded status")
}

/// The same status, of an item that is wrong in `field`. Only for one with details.
pub(in crate::grpc) fn at_field(status: &Status, field: &str) -> Status {
    let mut details = status.get_error_details();
    details.add_bad_request_violation(field, status.message());
    Status::with_error_details(status.code(), format!("{field}: {}", status.message()), details)
}

fn precondition(kind: &str, subject: &str, message: String) -> Status {
    let details = ErrorDetails::with_precondition_failure_violation(kind, subject, &message);
    Status::with_error_details(Code::FailedPrecondition, message, details)
}

fn subject(task: &TaskName, version: &ModelVersionId) -> String {
    format!("tasks/{task}/modelVersions/{:.64}", version.0)
}
