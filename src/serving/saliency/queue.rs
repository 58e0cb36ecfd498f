//! The flights, shared between callers and the threads that measure.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::serving::Error;
use crate::serving::saliency::cache::Key;
use crate::serving::saliency::flights::{Flights, Full, Joined, Outcome, Wanted};
use crate::space::Saliencies;

/// What an architecture is taken to cost before the first was measured.
const FIRST_PACE: Duration = Duration::from_millis(100);

/// Callers join without waiting, threads wait for the next architecture.
#[derive(Debug)]
pub(in crate::serving) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    n_threads: u32,
}

#[derive(Debug)]
struct State {
    flights: Flights,
    is_open: bool,
    /// How long the last architecture took.
    pace: Duration,
}

impl Queue {
    /// An open queue that so many threads work on.
    pub fn new(flights: Flights, n_threads: u32) -> Self {
        let state = State { flights, is_open: true, pace: FIRST_PACE };
        Self { state: Mutex::new(state), changed: Condvar::new(), n_threads: n_threads.max(1) }
    }

    /// What is known of each architecture.
    pub fn known(&self, keys: &[Key]) -> Vec<Option<Arc<Saliencies>>> {
        let mut state = self.lock();
        keys.iter().map(|key| state.flights.cache.get(key)).collect()
    }

    /// Remembers what was found elsewhere.
    pub fn remember(&self, found: impl Iterator<Item = (Key, Arc<Saliencies>)>) {
        let mut state = self.lock();
        found.for_each(|(key, saliencies)| state.flights.cache.insert(key, saliencies));
    }

    /// Answers what is known, and queues the rest of one call.
    ///
    /// # Errors
    /// When there is no room for all of it, or the queue is closed.
    pub fn join(&self, wanted: Vec<Wanted>, deadline: Option<Instant>) -> Result<Vec<Joined>, Error> {
        let mut state = self.lock();
        if !state.is_open {
            return Err(Error::Stopping);
        }
        let joined = state.flights.join(wanted, deadline, Instant::now()).map_err(|Full| {
            let n_queued = state.flights.n_waiting();
            let retry_after = state.pace.mul_f64(n_queued as f64) / self.n_threads;
            Error::SaliencyQueueFull { n_queued, retry_after }
        })?;
        self.changed.notify_all();
        Ok(joined)
    }

    /// The next architecture, as soon as there is one. `None` once the queue is closed and nobody waits.
    pub fn next(&self) -> Option<Wanted> {
        let mut state = self.lock();
        loop {
            if let Some(wanted) = state.flights.next(Instant::now()) {
                return Some(wanted);
            }
            if !state.is_open {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells everybody what became of an architecture, which took so long.
    pub fn done(&self, key: Key, outcome: &Outcome, elapsed: Duration) {
        let mut state = self.lock();
        state.pace = elapsed;
        state.flights.done(key, outcome);
    }

    /// Takes no more calls. Those that wait are still answered.
    pub fn close(&self) {
        self.lock().is_open = false;
        self.changed.notify_all();
    }

    /// Takes no more calls and drops those that wait, since a thread is gone.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.is_open = false;
        state.flights.clear();
        self.changed.notify_all();
    }

    /// No code that holds the lock can leave the state half changed, so a panic elsewhere does not matter.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::nasbench201;
    use crate::zero_cost::{Measurer, Proxy};

    #[test]
    fn a_full_queue_says_when_there_will_be_room_and_a_closed_one_takes_nothing() {
        let proxy = Proxy::named("small").expect("built in");
        let measurer = Arc::new(Measurer::new("small", proxy, 0).expect("noise"));
        let wanted: Vec<Wanted> = (nasbench201().sample(6, 0).into_iter())
            .map(|architecture| Wanted {
                key: Key::new(measurer.origin(), &architecture),
                architecture,
                measurer: measurer.clone(),
            })
            .collect();
        let queue = Queue::new(Flights::new(4, 8), 2);
        let _replies = queue.join(wanted[..4].to_vec(), None).expect("room");
        let Err(Error::SaliencyQueueFull { n_queued: 4, retry_after }) =
            queue.join(wanted[4..].to_vec(), None)
        else {
            panic!("the queue is full")
        };
        assert_eq!(retry_after, FIRST_PACE * 2);
        queue.close();
        assert!(matches!(queue.join(wanted[..1].to_vec(), None), Err(Error::Stopping)));
        assert!(queue.next().is_some(), "what waits is still handed out");
        queue.abandon();
        assert!(queue.next().is_none());
    }
}
