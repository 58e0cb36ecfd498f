//! The closed loop under a seeded schedule of everything that can happen to it: observations and their
//! repetition, workers that are killed, overtaken, stopped or fail, promotions and rollbacks by hand, replicas
//! that look, connections and processes that go. `invariants` states what holds all the while.
//!
//! A seed is a schedule. Each operation is waited for until nothing moves any more, except those that are meant
//! to fall into the middle of another.

#[path = "../database/mod.rs"]
#[expect(dead_code, reason = "no server is stopped here, and no schema is old")]
mod database;
mod held_fit;
mod invariants;
mod reached;
mod schedule;
mod simulated;
mod workers;
mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::task::JoinSet;

use crate::database::Database;
use crate::invariants::Violation;
use crate::reached::Reached;
use crate::schedule::{Operation, schedule};
use crate::world::{Fence, World};

const N_SQLITE_SCHEDULES: u64 = 1_000;
const N_POSTGRES_SCHEDULES: u64 = 40;
/// Schedules side by side.
const N_LANES: u64 = 2;
/// Among so many schedules a fence that does not hold must be noticed.
const N_BROKEN_SCHEDULES: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_schedules_on_sqlite_break_nothing() {
    let reached = all_hold(N_SQLITE_SCHEDULES, async || Database::sqlite_in_memory()).await;
    assert!(reached.is_everything(), "{reached:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_on_postgres_break_nothing() {
    let reached = all_hold(N_POSTGRES_SCHEDULES, Database::postgres).await;
    assert!(reached.overtaken > 0 && reached.promoted_by_run > 0, "{reached:?}");
}

/// The simulation sees what it is there to see: with a fence that lets the late writes of an overtaken worker
/// through, the invariant of the fence is broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_fence_is_found() {
    for seed in 0..N_BROKEN_SCHEDULES {
        let mut world = World::new(Database::sqlite_in_memory(), Fence::Broken).await;
        match run(&mut world, seed).await {
            Ok(()) => {}
            Err((Violation::MadeByAnotherWorker { .. }, _)) => return,
            Err((other, done)) => panic!("seed {seed}, after {done:?}: {other}"),
        }
    }
    panic!("{N_BROKEN_SCHEDULES} schedules with a broken fence, and nothing was noticed");
}

/// Runs so many schedules, each on a database of its own, and fails with the first that breaks an invariant. What
/// they reached together.
async fn all_hold<F: Future<Output = Database> + Send>(
    n_schedules: u64,
    database: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Reached {
    let next = Arc::<AtomicU64>::default();
    let mut lanes = JoinSet::new();
    for _ in 0..N_LANES {
        let (next, database) = (next.clone(), database.clone());
        lanes.spawn(async move {
            let mut reached = Reached::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= n_schedules {
                    return reached;
                }
                let mut world = World::new(database().await, Fence::Whole).await;
                if let Err((violation, done)) = run(&mut world, seed).await {
                    panic!("seed {seed}, after {done:?}: {violation}");
                }
                reached += world.reached().await;
            }
        });
    }
    let mut reached = Reached::default();
    while let Some(lane) = lanes.join_next().await {
        reached += lane.expect("no invariant is broken");
    }
    reached
}

/// Runs one schedule, and then lets everything come to rest. A violation comes with what was done before it.
async fn run(world: &mut World, seed: u64) -> Result<(), (Violation, Vec<Operation>)> {
    let operations = schedule(seed);
    for (index, operation) in operations.iter().enumerate() {
        let held = async {
            world.apply(operation).await?;
            world.check().await
        };
        held.await.map_err(|violation| (violation, operations[..=index].to_vec()))?;
    }
    let rested = async {
        world.come_to_rest().await?;
        world.check().await?;
        world.check_observations().await
    };
    rested.await.map_err(|violation| (violation, operations))
}
