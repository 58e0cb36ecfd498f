//! A database, two tasks, workers and a replica that serves, and what happens to them.

use std::num::NonZero;

use candle_core::Device;
use tagates::domain::{
    GateMargins, Observation, Recorded, RetrainingPolicy, RunState, StoredTask, TaskName, TrainingRun,
};
use tagates::serving::{self, Champions, Handle};
use tagates::store::{self, Store};

use crate::database::Database;
use crate::held_fit::{Told, accuracy};
use crate::invariants::{Ledger, Violation};
use crate::reached::Reached;
use crate::schedule::{End, Operation};
use crate::simulated::Simulated;
use crate::workers::{N_WORKERS, Rest, Workers};

pub const N_TASKS: usize = 2;
/// Longer than any back-off.
const LONG_S: i64 = 7 * 3_600;
/// Turns of all workers after which everything must have come to rest.
const N_TURNS: usize = 40;

/// Whether late writes of overtaken workers are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    Whole,
    /// An overtaken worker keeps its lease, as if nobody had taken it.
    Broken,
}

pub struct World {
    database: Database,
    /// What answers from the database; nothing for a moment, where a process ends.
    replica: Option<Replica>,
    fence: Fence,
    tasks: [Simulated; N_TASKS],
    workers: Workers,
    ledger: Ledger,
    n_trainings: u64,
    /// What a worker that trains would label its checkpoint with.
    labels: [u64; N_WORKERS],
    n_overtaken: usize,
    n_resumed: usize,
}

/// A process that serves.
struct Replica {
    store: Store,
    champions: Champions,
    handle: Handle,
    _worker: serving::Worker,
}

impl Replica {
    fn start(store: Store) -> Self {
        let config = serving::Config {
            queue_capacity: NonZero::new(64).expect("not zero"),
            max_batch: NonZero::new(64).expect("not zero"),
        };
        let (handle, worker) = serving::start(&config).expect("a thread");
        let champions = Champions::new(store.clone(), handle.clone(), Device::Cpu, None);
        Self { store, champions, handle, _worker: worker }
    }
}

impl World {
    /// A world in which nothing has happened yet.
    pub async fn new(database: Database, fence: Fence) -> Self {
        let store = database.store().await;
        let tasks =
            [("accuracy_a", 10), ("accuracy_b", 11)].map(|(metric, seed)| Simulated::new(metric, seed));
        let policy = RetrainingPolicy {
            min_observations: 20,
            min_new_observations: 5,
            min_new_share: 0.02,
            cool_down_s: 0,
            gate: GateMargins { min_holdout: 5, max_tau_loss: 1.0 },
            ..RetrainingPolicy::default()
        };
        for simulated in &tasks {
            store.task_insert(&simulated.task, &policy, None).await.expect("a task");
        }
        if fence == Fence::Broken {
            let keep = "CREATE TABLE kept AS SELECT run_id, lease_token FROM training_runs";
            database.execute(keep).await.expect("a table");
        }
        Self {
            database,
            replica: Some(Replica::start(store)),
            fence,
            tasks,
            workers: Workers::new(),
            ledger: Ledger::default(),
            n_trainings: 0,
            labels: [0; N_WORKERS],
            n_overtaken: 0,
            n_resumed: 0,
        }
    }

    /// What has happened so far.
    pub async fn reached(&self) -> Reached {
        Reached { resumed: self.n_resumed, overtaken: self.n_overtaken, ..Reached::of(self.store()).await }
    }

    /// Has something happen, and waits until nothing moves any more.
    ///
    /// # Errors
    /// With the invariant that does not hold.
    pub async fn apply(&mut self, operation: &Operation) -> Result<(), Violation> {
        self.note_pauses().await;
        match *operation {
            Operation::Observe { task, n } => self.observe(task, n).await,
            Operation::Retry { task, batch } => self.retry(task, batch).await,
            Operation::Turn { worker, end } => self.turn(worker, end).await,
            Operation::LoseHeartbeats { seconds } => {
                self.pass_time(seconds).await;
                Ok(())
            }
            Operation::Cancel { task } => self.cancel(task).await,
            Operation::Swap => self.swap().await,
            Operation::RollBack { task } => self.roll_back(task).await,
            Operation::Resume { task } => {
                let name = self.name(task);
                self.store().promotion_resume(&name).await.expect("an answer");
                self.ledger.was_paused.insert(name, false);
                Ok(())
            }
            Operation::Promote { task, version } => self.promote(task, version).await,
            Operation::ResetDatabase { worker } => self.reset(worker).await,
        }
    }

    /// Checks what holds at any time.
    ///
    /// # Errors
    /// With the invariant that does not hold.
    pub async fn check(&mut self) -> Result<(), Violation> {
        for index in 0..N_TASKS {
            let stored = self.stored(index).await;
            self.ledger.check(&self.replica.as_ref().expect("it runs").store, &stored).await?;
            let name = &stored.task.name;
            if let Some(served) = self.replica().handle.champion(name) {
                let history = self.store().promotions_page(name, None, 1_000).await.expect("an answer");
                if !history.iter().any(|promotion| promotion.to == served) {
                    let (task, champion) = (name.clone(), history.first().map(|last| last.to.clone()));
                    return Err(Violation::Served { task, served: Some(served), champion });
                }
            }
        }
        Ok(())
    }

    /// Checks the observations of all tasks.
    ///
    /// # Errors
    /// With what is not as it was acknowledged.
    pub async fn check_observations(&self) -> Result<(), Violation> {
        for index in 0..N_TASKS {
            self.ledger.check_observations(self.store(), &self.stored(index).await).await?;
        }
        Ok(())
    }

    /// Lets workers look and time pass until nothing is left to do.
    ///
    /// # Errors
    /// Where that does not end, or with the invariant that does not hold.
    pub async fn come_to_rest(&mut self) -> Result<(), Violation> {
        let make = End::Make { quality: 0 };
        for _ in 0..N_TURNS {
            self.note_pauses().await;
            for worker in 0..N_WORKERS {
                self.turn(worker, make).await?;
            }
            self.pass_time(LONG_S).await;
            let is_training = (0..N_WORKERS).any(|worker| self.workers.is_training(worker));
            if !is_training && self.unfinished().await.is_empty() {
                return self.swap().await;
            }
        }
        Err(Violation::NoRest(self.unfinished().await))
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().expect("it is started again at once")
    }

    fn store(&self) -> &Store {
        &self.replica().store
    }

    async fn unfinished(&self) -> Vec<TrainingRun> {
        let runs = self.store().runs_page(None, None, 1_000).await.expect("an answer");
        runs.into_iter().filter(|run| !run.state.is_final()).collect()
    }

    fn name(&self, task: usize) -> TaskName {
        self.tasks[task].task.name.clone()
    }

    async fn stored(&self, task: usize) -> StoredTask {
        self.store().task_by_name(&self.name(task)).await.expect("an answer").expect("the task")
    }

    async fn note_pauses(&mut self) {
        for index in 0..N_TASKS {
            let stored = self.stored(index).await;
            self.ledger.was_paused.insert(stored.task.name, stored.promotion_paused_at.is_some());
        }
    }

    async fn observe(&mut self, task: usize, n: usize) -> Result<(), Violation> {
        let batch = self.tasks[task].next_batch(n);
        self.record(task, &batch).await
    }

    async fn retry(&mut self, task: usize, batch: usize) -> Result<(), Violation> {
        let batches = &self.tasks[task].batches;
        let Some(batch) = batches.get(batch % batches.len().max(1)).cloned() else { return Ok(()) };
        let before = self.stored(task).await.last_sequence;
        self.record(task, &batch).await?;
        let after = self.stored(task).await.last_sequence;
        if before == after {
            return Ok(());
        }
        let what = format!("a retry took numbers {before} to {after}");
        Err(Violation::Observations { task: self.name(task), what })
    }

    /// Records a batch, and whatever was acknowledged of it before must be acknowledged alike.
    async fn record(&mut self, task: usize, batch: &[Observation]) -> Result<(), Violation> {
        let name = self.name(task);
        let recorded = self.store().observations_insert(&name, batch).await.expect("an answer");
        let acknowledged = self.ledger.observations.entry(name.clone()).or_default();
        for (observation, recorded) in batch.iter().zip(recorded) {
            let (sequence, is_new) = match recorded {
                Recorded::New(sequence) => (sequence, true),
                Recorded::Same(sequence) => (sequence, false),
                Recorded::Conflict { .. } => panic!("each architecture has one accuracy"),
            };
            let architecture = &observation.key().architecture;
            let row = (architecture.text().to_owned(), accuracy(architecture));
            let before = acknowledged.insert(sequence, row.clone());
            if before.is_some_and(|before| is_new || before != row) {
                let what = format!("number {sequence} was given twice");
                return Err(Violation::Observations { task: name, what });
            }
        }
        Ok(())
    }

    /// An idle worker looks for work. One that trains comes to the end of it, and looks on.
    async fn turn(&mut self, worker: usize, end: End) -> Result<(), Violation> {
        if !self.workers.is_training(worker) {
            self.keep_leases().await;
            self.workers.start(worker, self.store().clone());
            return self.rest(worker).await;
        }
        match end {
            End::Make { quality } => {
                self.tell_to_make(worker, quality);
                self.rest(worker).await
            }
            End::Fail => {
                self.workers.tell(worker, Told::Fail);
                self.rest(worker).await
            }
            End::Stop => self.stop(worker).await,
            End::Kill => {
                self.workers.kill(worker, 0).await;
                Ok(())
            }
            End::KillAfterwards { n_moments, quality } => {
                self.tell_to_make(worker, quality);
                self.workers.kill(worker, n_moments).await;
                Ok(())
            }
        }
    }

    fn tell_to_make(&mut self, worker: usize, quality: usize) {
        self.workers.tell(worker, Told::Make { quality, label: self.labels[worker] });
    }

    /// An orderly stop: no run counts an attempt for it.
    async fn stop(&mut self, worker: usize) -> Result<(), Violation> {
        let n_attempts = |runs: &[TrainingRun]| runs.iter().map(|run| run.n_attempts).sum::<u32>();
        let before = n_attempts(&self.unfinished().await);
        self.workers.stop(worker);
        self.workers.tell(worker, Told::Stop);
        self.rest(worker).await?;
        let after = self.unfinished().await;
        if n_attempts(&after) > before {
            let run = after.into_iter().max_by_key(|run| run.n_attempts).expect("one with attempts");
            return Err(Violation::Attempts { run: Box::new(run) });
        }
        Ok(())
    }

    async fn rest(&mut self, worker: usize) -> Result<(), Violation> {
        match self.workers.rest(worker).await {
            Rest::Training { metric, is_resumed } => {
                self.n_resumed += usize::from(is_resumed);
                self.claimed(worker, &metric).await;
                self.break_fence().await;
                Ok(())
            }
            Rest::Idle(Ok(())) => Ok(()),
            Rest::Idle(Err(error)) => Err(Violation::Worker { worker, error: error.to_string() }),
        }
    }

    /// Notes that a worker claimed the unfinished run of the task with a metric.
    async fn claimed(&mut self, worker: usize, metric: &str) {
        self.n_trainings += 1;
        self.labels[worker] = self.n_trainings;
        let named = |simulated: &&Simulated| simulated.task.metric == metric;
        let name = &self.tasks.iter().find(named).expect("a task of ours").task.name;
        let run = self.store().last_run_of(name).await.expect("an answer").expect("the run that was claimed");
        let before = self.ledger.claims.insert(run.id, self.n_trainings);
        let still_trains = |other: usize| {
            other != worker && self.workers.is_training(other) && Some(self.labels[other]) == before
        };
        self.n_overtaken += usize::from((0..N_WORKERS).any(still_trains));
    }

    /// Notes who holds what.
    async fn keep_leases(&self) {
        if self.fence == Fence::Broken {
            let keep = "DELETE FROM kept;
                INSERT INTO kept SELECT run_id, lease_token FROM training_runs WHERE state = 'running'";
            self.database.execute(keep).await.expect("a change");
        }
    }

    /// Gives leases that were taken from somebody back, so that late writes are not refused.
    async fn break_fence(&self) {
        if self.fence == Fence::Broken {
            let give_back = "UPDATE training_runs
                SET lease_token = (SELECT lease_token FROM kept WHERE kept.run_id = training_runs.run_id)
                WHERE state = 'running' AND run_id IN (SELECT run_id FROM kept)";
            self.database.execute(give_back).await.expect("a change");
        }
    }

    /// Time passes by the database's clock: what it noted is longer ago.
    async fn pass_time(&self, seconds: i64) {
        let micros = seconds * 1_000_000;
        let columns =
            ["not_before", "lease_expires_at", "heartbeat_at", "created_at", "started_at", "finished_at"];
        let earlier = columns.map(|column| format!("{column} = {column} - {micros}")).join(", ");
        self.database.execute(&format!("UPDATE training_runs SET {earlier}")).await.expect("a change");
    }

    async fn cancel(&mut self, task: usize) -> Result<(), Violation> {
        let last = self.store().last_run_of(&self.name(task)).await.expect("an answer");
        if let Some(run) = last.filter(|run| !run.state.is_final()) {
            let cancelled = self.store().run_cancel(run.id).await.expect("an answer").expect("the run");
            assert!(cancelled.is_cancel_requested || cancelled.state == RunState::Cancelled, "{cancelled:?}");
        }
        Ok(())
    }

    /// The replica looks, and serves the champions then.
    async fn swap(&mut self) -> Result<(), Violation> {
        self.replica().champions.follow().await.expect("an answer");
        for index in 0..N_TASKS {
            let task = self.name(index);
            let champion = self.store().champion_of(&task).await.expect("an answer");
            let served = self.replica().handle.champion(&task);
            if served != champion {
                return Err(Violation::Served { task, served, champion });
            }
        }
        Ok(())
    }

    async fn roll_back(&mut self, task: usize) -> Result<(), Violation> {
        let name = self.name(task);
        if let Some(champion) = self.store().champion_of(&name).await.expect("an answer") {
            self.store().champion_rollback(&name, &champion, "somebody", "a test").await.expect("an answer");
        }
        Ok(())
    }

    async fn promote(&mut self, task: usize, version: usize) -> Result<(), Violation> {
        let name = self.name(task);
        let versions = self.store().versions_page(&name, None, 1_000).await.expect("an answer");
        let champion = self.store().champion_of(&name).await.expect("an answer");
        if let Some(version) = versions.get(version % versions.len().max(1)) {
            let promoted =
                self.store().champion_promote(&name, champion.as_ref(), &version.id, "somebody", "a test");
            promoted.await.expect("an answer");
        }
        Ok(())
    }

    /// Breaks all connections while a worker is in the middle of its turn and observations are recorded, which
    /// are sent again until they are acknowledged. A file's process ends altogether, and another one starts.
    async fn reset(&mut self, worker: usize) -> Result<(), Violation> {
        if self.workers.is_training(worker) {
            self.tell_to_make(worker, 1);
        } else {
            self.workers.start(worker, self.store().clone());
        }
        if self.database.is_file() {
            self.workers.kill_all().await;
            self.replica = None;
            self.replica = Some(Replica::start(self.database.connect().await));
            return Ok(());
        }
        let task = worker % N_TASKS;
        let batch = self.tasks[task].next_batch(10);
        let name = self.name(task);
        let recording = self.store().observations_insert(&name, &batch);
        // Stored or not, whoever sent them knows nothing of it.
        let _ = tokio::join!(recording, self.database.disconnect_all());
        self.record(task, &batch).await?;
        match self.workers.rest(worker).await {
            Rest::Training { metric, .. } => self.claimed(worker, &metric).await,
            // What it held, it loses in time.
            Rest::Idle(Ok(()) | Err(store::Error::Unavailable(_))) => {}
            Rest::Idle(Err(error)) => return Err(Violation::Worker { worker, error: error.to_string() }),
        }
        Ok(())
    }
}
