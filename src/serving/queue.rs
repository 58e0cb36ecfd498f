//! The schedule, shared between callers and the model thread.

use std::time::{Duration, Instant};

use crate::serving::Error;
use crate::serving::job::Job;
use crate::serving::schedule::{Full, Schedule};
use crate::serving::waiting::Waiting;

/// What an architecture is taken to cost before the first batch.
const FIRST_PACE: Duration = Duration::from_millis(1);

/// Callers push without waiting, the model thread waits for the next batch.
#[derive(Debug)]
pub(in crate::serving) struct Queue(Waiting<Schedule>);

impl Queue {
    /// An open queue without jobs.
    pub fn new(schedule: Schedule) -> Self {
        Self(Waiting::new(schedule, FIRST_PACE))
    }

    /// Queues the jobs of one call.
    ///
    /// # Errors
    /// When there is no room for all of them, or the queue is closed.
    pub fn push(&self, jobs: Vec<Job>) -> Result<(), Error> {
        self.0.add(|state| {
            state.schedule.push(jobs, Instant::now()).map_err(|Full| {
                let n_queued = state.schedule.n_queued();
                Error::Overloaded { n_queued, retry_after: state.pace.mul_f64(n_queued as f64) }
            })
        })
    }

    /// The next batch, as soon as there is one. `None` once the queue is closed and empty.
    pub fn next(&self) -> Option<Vec<Job>> {
        self.0.next()
    }

    /// Tells how long the model needed for a number of architectures.
    pub fn record_pace(&self, elapsed: Duration, n_architectures: usize) {
        self.0.lock().pace = elapsed.div_f64(n_architectures.max(1) as f64);
    }

    /// Takes no more jobs. Those that wait are still handed out.
    pub fn close(&self) {
        self.0.close();
    }

    /// Takes no more jobs and drops those that wait, since nobody is left to do them.
    pub fn abandon(&self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn queue(capacity: usize) -> Queue {
        Queue::new(Schedule::new(capacity, 8))
    }

    #[test]
    fn whoever_waits_for_a_batch_is_woken_by_a_call() {
        let queue = queue(8);
        thread::scope(|scope| {
            let batch = scope.spawn(|| queue.next());
            let (job, _reply) = Job::sample("a", "1", 3);
            queue.push(vec![job]).expect("room for the job");
            assert_eq!(batch.join().expect("no panic").expect("a batch")[0].candidates.len(), 3);
        });
    }

    #[test]
    fn a_closed_queue_hands_out_what_waits_and_takes_no_more() {
        let queue = queue(8);
        let (job, _reply) = Job::sample("a", "1", 1);
        queue.push(vec![job]).expect("room for the job");
        queue.close();
        let (late, _late_reply) = Job::sample("a", "1", 1);
        assert!(matches!(queue.push(vec![late]), Err(Error::Stopping)));
        assert!(queue.next().is_some() && queue.next().is_none());
    }

    #[test]
    fn an_abandoned_queue_leaves_nobody_waiting() {
        let queue = queue(8);
        let (job, mut reply) = Job::sample("a", "1", 1);
        queue.push(vec![job]).expect("room for the job");
        queue.abandon();
        assert!(matches!(reply.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed)));
        assert!(queue.next().is_none());
    }

    #[test]
    fn who_is_refused_is_told_how_long_the_waiting_ones_will_take() {
        let queue = queue(4);
        queue.record_pace(Duration::from_millis(20), 10);
        let (job, _reply) = Job::sample("a", "1", 3);
        queue.push(vec![job]).expect("room for the job");
        let (next, _next_reply) = Job::sample("a", "1", 2);
        let Err(Error::Overloaded { n_queued: 3, retry_after }) = queue.push(vec![next]) else {
            panic!("the queue is full")
        };
        assert_eq!(retry_after, Duration::from_millis(6));
    }
}
