//! Workers: each a process with the real driver, at rest or in the middle of a training.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tagates::retraining::{Driver, Timing};
use tagates::store::{self, Store};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{self, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::held_fit::{Begun, HeldFit, Told};

pub const N_WORKERS: usize = 3;
/// As in earnest.
const LEASE: Duration = Duration::from_secs(30);
/// Longer than any schedule: workers are heard of when they claim a run, and when they give it back.
const HEARTBEAT: Duration = Duration::from_hours(1);

/// All workers of a simulation.
pub struct Workers {
    each: [Worker; N_WORKERS],
    begun: UnboundedReceiver<Begun>,
    beginnings: UnboundedSender<Begun>,
    n_processes: u64,
}

/// One worker; what it does ends with it.
#[derive(Default)]
struct Worker {
    working: Option<Working>,
    training: Option<mpsc::Sender<Told>>,
}

struct Working {
    process: u64,
    ended: JoinHandle<Result<(), store::Error>>,
    stop: CancellationToken,
}

/// Where a worker came to rest.
pub enum Rest {
    /// In a training that begins, of the task with this metric.
    Training { metric: String, is_resumed: bool },
    /// It found nothing more to do, or the database failed it.
    Idle(Result<(), store::Error>),
}

impl Workers {
    pub fn new() -> Self {
        let (beginnings, begun) = unbounded_channel();
        Self { each: Default::default(), begun, beginnings, n_processes: 0 }
    }

    pub fn is_training(&self, worker: usize) -> bool {
        self.each[worker].training.is_some()
    }

    /// Has an idle worker look for work.
    pub fn start(&mut self, worker: usize, store: Store) {
        self.n_processes += 1;
        let process = self.n_processes;
        let fit = HeldFit { worker, process, begun: self.beginnings.clone() };
        let timing = Timing { lease: LEASE, heartbeat: HEARTBEAT, ..Timing::default() };
        let driver = Driver::new(store, Arc::new(fit), timing);
        let stop = CancellationToken::new();
        let ended = tokio::spawn({
            let stop = stop.clone();
            async move { driver.reconcile(&stop).await }
        });
        self.each[worker].working = Some(Working { process, ended, stop });
    }

    /// Waits until a worker trains or has nothing to do.
    ///
    /// # Panics
    /// Where it was not started.
    pub async fn rest(&mut self, worker: usize) -> Rest {
        let Worker { working, training } = &mut self.each[worker];
        let Working { process, ended, .. } = working.as_mut().expect("it was started");
        loop {
            tokio::select! {
                biased;
                Some(begun) = self.begun.recv() => {
                    // Of a process that was killed while it began, otherwise.
                    if begun.worker == worker && begun.process == *process {
                        *training = Some(begun.told);
                        return Rest::Training { metric: begun.metric, is_resumed: begun.is_resumed };
                    }
                }
                ended = &mut *ended => {
                    *working = None;
                    return Rest::Idle(ended.expect("a driver does not panic"));
                }
            }
        }
    }

    /// Tells the training of a worker how to end.
    pub fn tell(&mut self, worker: usize, told: Told) {
        let training = self.each[worker].training.take().expect("it trains");
        training.send(told).expect("it waits to be told");
    }

    /// Tells the process of a worker to stop.
    pub fn stop(&self, worker: usize) {
        if let Some(working) = &self.each[worker].working {
            working.stop.cancel();
        }
    }

    /// Kills a worker, `n_moments` from now.
    pub async fn kill(&mut self, worker: usize, n_moments: u32) {
        for _ in 0..n_moments {
            task::yield_now().await;
        }
        let Worker { working, training } = &mut self.each[worker];
        *training = None;
        if let Some(working) = working.take() {
            working.ended.abort();
            // Killed, or at its end just then.
            let _ = working.ended.await;
        }
    }

    /// Kills all.
    pub async fn kill_all(&mut self) {
        for worker in 0..N_WORKERS {
            self.kill(worker, 0).await;
        }
    }
}
