//! Training runs: the leased, resumable jobs that make model versions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{ModelVersionId, Sequence, TaskName, Timestamp};

/// Names a training run among those of all tasks. Later runs have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a training run is. The first two are unfinished: a task has one such run at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It waits for somebody to work on it, the first time or again.
    Queued,
    /// Somebody holds its lease, or held it and has not been replaced yet.
    Running,
    /// It made a version. Final.
    Succeeded,
    /// It was given up after too many attempts. Final.
    Failed,
    /// It was cancelled. Final.
    Cancelled,
}

impl RunState {
    /// Whether nothing will change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// How far a run is, as whoever works on it last said. A number that is not there, or is NaN, is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u32,
    /// Epochs there will be.
    pub n_epochs: u32,
    /// Of the last epoch, on the training rows.
    pub loss: Option<f64>,
    /// Kendall's tau on the holdout.
    pub holdout_tau: Option<f64>,
    /// Seconds to go, by an estimate.
    pub seconds_left: Option<f64>,
}

/// What went wrong with a run at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunError {
    /// When.
    pub at: Timestamp,
    /// For people.
    pub message: String,
}

/// The job that makes a version of a task's model.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingRun {
    /// Its number.
    pub id: RunId,
    /// The task.
    pub task: TaskName,
    /// Where it is.
    pub state: RunState,
    /// Why it was started, for people: `requested`, or the reason of the policy.
    pub why: String,
    /// It trains on the observations up to this number: the task's last one when the run was first claimed,
    /// `None` before. It never changes afterwards.
    pub up_to: Option<Sequence>,
    /// Attempts that led nowhere: failures, and leases lost without a newer resume state.
    pub n_attempts: u32,
    /// Until when the lease is held, while it runs.
    pub lease_expires_at: Option<Timestamp>,
    /// When whoever works on it was last heard of.
    pub heartbeat_at: Option<Timestamp>,
    /// Nobody takes it up before.
    pub not_before: Timestamp,
    /// Whether it is to stop; it is still running until whoever works on it has.
    pub is_cancel_requested: bool,
    /// How far it is, since it was first said.
    pub progress: Option<Progress>,
    /// All that went wrong, in order.
    pub errors: Vec<RunError>,
    /// The version it made, once it succeeded.
    pub version: Option<ModelVersionId>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was first claimed.
    pub started_at: Option<Timestamp>,
    /// When it came to its final state.
    pub finished_at: Option<Timestamp>,
}

/// The right to work on a run. Whatever is written under it names the token, and is refused once somebody
/// else has claimed the run or the run has ended. A lease that ran out is lost only then: its holder may
/// go on for as long as nobody took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// The fence: random, in hexadecimal, another for each claim.
    pub token: String,
}

/// Live observations of a task, as the rule that says whether a run is due counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObservationCounts {
    /// With a value.
    pub n_feasible: u64,
    /// With a reason instead of one.
    pub n_infeasible: u64,
    /// With a value, after the number that was asked about.
    pub n_new_feasible: u64,
    /// With a reason, after that number.
    pub n_new_infeasible: u64,
}
