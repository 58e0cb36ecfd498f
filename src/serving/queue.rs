//! The schedule, shared between callers and the model thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::serving::Error;
use crate::serving::job::Job;
use crate::serving::schedule::{Full, Schedule};

/// Callers push without waiting, the model thread waits for the next batch.
#[derive(Debug)]
pub(in crate::serving) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    is_open: bool,
    /// How long the model needs for an architecture, by the last batch.
    pace: Duration,
}

impl Queue {
    /// An open queue without jobs.
    pub fn new(schedule: Schedule) -> Self {
        let state = State { schedule, is_open: true, pace: Duration::ZERO };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Queues the jobs of one call.
    ///
    /// # Errors
    /// When there is no room for all of them, or the queue is closed.
    pub fn push(&self, jobs: Vec<Job>) -> Result<(), Error> {
        let mut state = self.lock();
        if !state.is_open {
            return Err(Error::Stopping);
        }
        if let Err(Full) = state.schedule.push(jobs, Instant::now()) {
            let n_queued = state.schedule.n_queued();
            return Err(Error::Overloaded { n_queued, retry_after: state.pace.mul_f64(n_queued as f64) });
        }
        self.changed.notify_one();
        Ok(())
    }

    /// The next batch, as soon as there is one. `None` once the queue is closed and empty.
    pub fn next(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.schedule.cut(Instant::now()) {
                return Some(batch);
            }
            if !state.is_open {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells how long the model needed for a number of architectures.
    pub fn record_pace(&self, elapsed: Duration, n_architectures: usize) {
        self.lock().pace = elapsed.div_f64(n_architectures.max(1) as f64);
    }

    /// Takes no more jobs. Those that wait are still handed out.
    pub fn close(&self) {
        self.lock().is_open = false;
        self.changed.notify_all();
    }

    /// Takes no more jobs and drops those that wait, since nobody is left to do them.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.schedule.clear();
    }

    /// No code that holds the lock can leave the state half changed, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
