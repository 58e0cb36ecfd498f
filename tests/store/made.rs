//! Tasks and observations to store.

use tagates::domain::{
    Budget, Goal, Holdout, Measurement, Observation, ObservationFilter, ObservationKey, Recorded,
    RetrainingPolicy, Sequence, Source, StoredObservation, Task, TaskName, Unit,
};
use tagates::space::{self, Architecture};
use tagates::store::{MigrateMode, Store, TaskInserted};

use crate::database::Database;

/// Two processes that use the same database: on SQLite, where there can be one only, two calls of it.
pub async fn two_unmigrated(database: &Database) -> [Store; 2] {
    let first = database.connect().await;
    let second = match database.config().database {
        Some(_) => database.connect().await,
        None => first.clone(),
    };
    [first, second]
}

/// The same, ready to be used.
pub async fn two(database: &Database) -> [Store; 2] {
    let [first, second] = two_unmigrated(database).await;
    first.migrate(MigrateMode::Auto).await.expect("a database that can be migrated");
    [first, second]
}

/// Some network of NAS-Bench-201.
pub fn architecture() -> Architecture {
    architectures(1).remove(0)
}

/// Different networks of NAS-Bench-201.
pub fn architectures(n: usize) -> Vec<Architecture> {
    space::nasbench201().sample(n, 11)
}

pub fn name(text: &str) -> TaskName {
    TaskName::new(text).expect("a task name")
}

/// A task with budgets of 12 and 200 epochs and any value.
pub fn task(text: &str) -> Task {
    Task {
        name: name(text),
        space: space::nasbench201(),
        dataset: "cifar10".to_owned(),
        metric: "test_accuracy".to_owned(),
        goal: Goal::Maximize,
        unit: Unit::None,
        valid_range: Unit::None.valid_range(),
        budgets: vec![Budget(12), Budget(200)],
        holdout: Holdout::new("salt", 0.1).expect("a share"),
    }
}

/// A stored task.
pub async fn stored_task(store: &Store, text: &str) -> Task {
    let inserted = store
        .task_insert(&task(text), &RetrainingPolicy::default(), None)
        .await
        .expect("a store that answers");
    let TaskInserted::Created(stored) = inserted else { panic!("the name is free: {inserted:?}") };
    stored.task
}

/// A key of the task: budget 200, no seed, nobody's.
pub fn key(task: &Task, architecture: &Architecture) -> ObservationKey {
    ObservationKey {
        task: task.name.clone(),
        architecture: architecture.clone(),
        budget: Budget(200),
        seed: 0,
        source: Source::default(),
    }
}

pub fn source(name: &str) -> Source {
    Source::new(name).expect("a source")
}

pub fn observation_of(task: &Task, key: ObservationKey, measurement: Measurement) -> Observation {
    Observation::new(task, key, measurement, None).expect("an observation of the task")
}

/// A value of the network.
pub fn observation(task: &Task, architecture: &Architecture, value: f64) -> Observation {
    observation_of(task, key(task, architecture), Measurement::Value(value))
}

/// A value of the network, by a source.
pub fn observation_by(task: &Task, architecture: &Architecture, value: f64, by: &str) -> Observation {
    let key = ObservationKey { source: source(by), ..key(task, architecture) };
    observation_of(task, key, Measurement::Value(value))
}

/// A value for each network: 0, 1, 2, ..
pub fn observations(task: &Task, architectures: &[Architecture]) -> Vec<Observation> {
    let values = (0..architectures.len()).map(|index| index as f64);
    architectures.iter().zip(values).map(|(network, value)| observation(task, network, value)).collect()
}

pub async fn insert(store: &Store, task: &Task, observations: &[Observation]) -> Vec<Recorded> {
    store.observations_insert(&task.name, observations).await.expect("observations that are looked at")
}

/// Every observation of the task, the retracted ones included.
pub async fn all(store: &Store, task: &Task) -> Vec<StoredObservation> {
    let page =
        store.observations_page(&task.name, &ObservationFilter::default(), true, Sequence(0), u32::MAX).await;
    page.expect("a page")
}

/// The live observations of the task.
pub async fn live(store: &Store, task: &Task) -> Vec<StoredObservation> {
    let page = store
        .observations_page(&task.name, &ObservationFilter::default(), false, Sequence(0), u32::MAX)
        .await;
    page.expect("a page")
}

/// What a reader of "up to n" sees.
pub async fn snapshot(store: &Store, task: &Task, up_to: Sequence) -> Vec<StoredObservation> {
    store.snapshot_page(&task.name, up_to, Sequence(0), u32::MAX).await.expect("a snapshot")
}

pub fn numbers(observations: &[StoredObservation]) -> Vec<i64> {
    observations.iter().map(|stored| stored.sequence.0).collect()
}

pub fn values(observations: &[StoredObservation]) -> Vec<f64> {
    let value = |stored: &StoredObservation| match stored.observation.measurement() {
        Measurement::Value(value) => *value,
        Measurement::Infeasible(reason) => panic!("no value: {reason}"),
    };
    observations.iter().map(value).collect()
}

/// The last number the task has given.
pub async fn last_sequence(store: &Store, task: &Task) -> Sequence {
    store.task_by_name(&task.name).await.expect("an answer").expect("a task").last_sequence
}
