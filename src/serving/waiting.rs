//! Work that waits, shared between callers, who add to it without waiting, and the threads that do it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::serving::Error;

/// What waits, in an order of its own.
pub(in crate::serving) trait Backlog {
    /// What a thread takes at once.
    type Work;

    /// The next work, if there is any. Time is a parameter, nothing blocks.
    fn next(&mut self, now: Instant) -> Option<Self::Work>;

    /// Drops whatever waits, unanswered.
    fn clear(&mut self);
}

/// A schedule behind a lock, open until it is closed.
#[derive(Debug)]
pub(in crate::serving) struct Waiting<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
}

/// The schedule, and how fast it is worked on.
#[derive(Debug)]
pub(in crate::serving) struct State<S> {
    /// What waits.
    pub schedule: S,
    /// How long the last architecture took.
    pub pace: Duration,
    is_open: bool,
}

impl<S: Backlog> Waiting<S> {
    /// Open, an architecture being taken to cost `pace` before the first.
    pub fn new(schedule: S, pace: Duration) -> Self {
        Self { state: Mutex::new(State { schedule, pace, is_open: true }), changed: Condvar::new() }
    }

    /// Adds work and wakes the threads.
    ///
    /// # Errors
    /// When it is closed, or as `add` says.
    pub fn add<R>(&self, add: impl FnOnce(&mut State<S>) -> Result<R, Error>) -> Result<R, Error> {
        let mut state = self.lock();
        if !state.is_open {
            return Err(Error::Stopping);
        }
        let added = add(&mut state)?;
        self.changed.notify_all();
        Ok(added)
    }

    /// The next work, as soon as there is any. `None` once it is closed and empty.
    pub fn next(&self) -> Option<S::Work> {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.schedule.next(Instant::now()) {
                return Some(work);
            }
            if !state.is_open {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes no more. What waits is still handed out.
    pub fn close(&self) {
        self.lock().is_open = false;
        self.changed.notify_all();
    }

    /// Takes no more and drops what waits, since a thread is gone.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.schedule.clear();
        self.changed.notify_all();
    }

    /// No code that holds the lock can leave the state half changed, so a panic elsewhere does not matter.
    pub fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
