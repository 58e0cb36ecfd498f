//! How runs come into the queue, are taken from it and are called off.

use std::time::Duration;

use crate::domain::{Lease, RunId, TaskName, TrainingRun};
use crate::store::{Error, RequestKey, Store};

/// What became of a run that was to be queued.
#[derive(Clone, Debug, PartialEq)]
pub enum Enqueued {
    /// It is there now, or was made by the same request before.
    New(TrainingRun),
    /// The task has an unfinished run already; nothing changed.
    AlreadyUnfinished(TrainingRun),
    /// The request id came before with another body.
    RequestReused,
}

/// A run to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedRun {
    /// The run, whose `up_to` is set.
    pub run: TrainingRun,
    /// The right to.
    pub lease: Lease,
    /// What to resume from, where somebody has stored it.
    pub resume_state: Option<Vec<u8>>,
}

impl Store {
    /// Queues a run of a task. `why` is for people: `requested`, or the reason of the policy. Sent again with
    /// the same request, it is the run that was queued then, whatever became of it.
    ///
    /// # Errors
    /// When the task is unknown or archived, or the database fails.
    pub async fn run_enqueue(
        &self,
        task: &TaskName,
        why: &str,
        request: Option<&RequestKey>,
    ) -> Result<Enqueued, Error> {
        unimplemented!("{task} {why} {request:?}")
    }

    /// Takes up the oldest run that is queued and not backing off, or whose lease ran out, for the time of
    /// `lease` by the database's clock. `None` where there is nothing to do. Nobody else gets the same run.
    ///
    /// A lease that ran out counts as an attempt unless a resume state was stored under it; a run with
    /// `max_attempts` of them is failed instead, with its errors kept. One that was to be cancelled is.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn run_claim(&self, lease: Duration, max_attempts: u32) -> Result<Option<ClaimedRun>, Error> {
        unimplemented!("{lease:?} {max_attempts}")
    }

    /// Cancels a run: at once where nobody works on it, else it is asked to stop (see
    /// [`Heartbeat`](crate::store::Heartbeat)) and makes no version any more. Again, or of a run that is over,
    /// it changes nothing. `None` where there is no such run.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn run_cancel(&self, run: RunId) -> Result<Option<TrainingRun>, Error> {
        unimplemented!("{run}")
    }
}
