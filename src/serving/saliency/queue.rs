//! The flights, shared between callers and the threads that measure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::serving::Error;
use crate::serving::saliency::flights::{Flights, Full, Joined, Outcome, Wanted};
use crate::serving::saliency::key::Key;
use crate::serving::waiting::Waiting;
use crate::space::Saliencies;

/// What an architecture is taken to cost before the first was measured.
const FIRST_PACE: Duration = Duration::from_millis(100);

/// Callers join without waiting, threads wait for the next architecture.
#[derive(Debug)]
pub(in crate::serving) struct Queue {
    flights: Waiting<Flights>,
    n_threads: u32,
}

impl Queue {
    /// An open queue that so many threads work on.
    pub fn new(flights: Flights, n_threads: u32) -> Self {
        Self { flights: Waiting::new(flights, FIRST_PACE), n_threads: n_threads.max(1) }
    }

    /// What is known of each architecture.
    pub fn known(&self, keys: &[Key]) -> Vec<Option<Arc<Saliencies>>> {
        let mut state = self.flights.lock();
        keys.iter().map(|key| state.schedule.known(key)).collect()
    }

    /// Remembers what was found elsewhere.
    pub fn remember(&self, found: impl Iterator<Item = (Key, Arc<Saliencies>)>) {
        let mut state = self.flights.lock();
        found.for_each(|(key, saliencies)| state.schedule.remember(key, saliencies));
    }

    /// Answers what is known, and queues the rest of one call.
    ///
    /// # Errors
    /// When there is no room for all of it, or the queue is closed.
    pub fn join(&self, wanted: Vec<Wanted>, deadline: Option<Instant>) -> Result<Vec<Joined>, Error> {
        self.flights.add(|state| {
            state.schedule.join(wanted, deadline, Instant::now()).map_err(|Full| {
                let n_queued = state.schedule.n_waiting();
                let retry_after = state.pace.mul_f64(n_queued as f64) / self.n_threads;
                Error::SaliencyQueueFull { n_queued, retry_after }
            })
        })
    }

    /// The next architecture, as soon as there is one. `None` once the queue is closed and nobody waits.
    pub fn next(&self) -> Option<Wanted> {
        self.flights.next()
    }

    /// Tells everybody what became of an architecture, which took so long.
    pub fn done(&self, key: Key, outcome: &Outcome, elapsed: Duration) {
        let mut state = self.flights.lock();
        state.pace = elapsed;
        state.schedule.done(key, outcome);
    }

    /// Takes no more calls. Those that wait are still answered.
    pub fn close(&self) {
        self.flights.close();
    }

    /// Takes no more calls and drops those that wait, since a thread is gone.
    pub fn abandon(&self) {
        self.flights.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

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
        let queue = Queue::new(Flights::new(4, NonZero::new(8).expect("not zero")), 2);
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
