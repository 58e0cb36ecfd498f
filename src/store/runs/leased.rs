//! What is written under the lease of a run.

use std::time::Duration;

use crate::domain::{Lease, Progress, RunState};
use crate::store::{Error, Store};

/// What became of something that was written under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced<T> {
    /// It is written.
    Held(T),
    /// The lease is somebody else's or the run is over. Nothing was written: stop.
    Lost,
}

/// What whoever works on a run learns when it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whether the run is to stop; then give it back with [`Store::run_release`].
    pub is_cancel_requested: bool,
}

impl Store {
    /// Holds a lease for the time of `duration` from now on, and says how far the run is where that is known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_heartbeat(
        &self,
        lease: &Lease,
        progress: Option<&Progress>,
        duration: Duration,
    ) -> Result<Fenced<Heartbeat>, Error> {
        unimplemented!("{lease:?} {progress:?} {duration:?}")
    }

    /// Stores what the run can be resumed from, in place of what was stored before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_state_store(&self, lease: &Lease, resume_state: &[u8]) -> Result<Fenced<()>, Error> {
        unimplemented!("{lease:?} {}", resume_state.len())
    }

    /// Gives a run back, as at an orderly stop: it is queued again, which counts as no attempt, or cancelled
    /// where that was asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_release(&self, lease: &Lease) -> Result<Fenced<RunState>, Error> {
        unimplemented!("{lease:?}")
    }

    /// Counts a failed attempt and keeps the message. The run is queued again and rests for `retry_after`, or
    /// is failed for good where that is `None`, or cancelled where that was asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_fail(
        &self,
        lease: &Lease,
        message: &str,
        retry_after: Option<Duration>,
    ) -> Result<Fenced<RunState>, Error> {
        unimplemented!("{lease:?} {message} {retry_after:?}")
    }
}
