//! Many writers at once: numbers without gaps, snapshots that stay, nothing doubled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tagates::domain::{Measurement, Recorded, Sequence, StoredObservation, TaskName};
use tagates::store::Store;

use crate::database::Database;
use crate::made::{
    all, architectures, insert, key, last_sequence, live, numbers, observation, observation_of, observations,
    stored_task,
};

pub async fn writers_at_once_leave_no_gap_and_snapshots_stay(database: Database) {
    const N_WRITERS: usize = 8;
    const N_BATCHES: usize = 12;
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let is_written = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(take_snapshots(store.clone(), task.name.clone(), Arc::clone(&is_written)));
    let networks = architectures(7);
    let writers: Vec<_> = (0..N_WRITERS)
        .map(|writer| {
            let (store, task, networks) = (store.clone(), task.clone(), networks.clone());
            tokio::spawn(async move {
                for batch in 0..N_BATCHES {
                    let seed = i64::try_from(writer * N_BATCHES + batch).expect("a small number");
                    let sent: Vec<_> = networks
                        .iter()
                        .map(|network| {
                            let key = tagates::domain::ObservationKey { seed, ..key(&task, network) };
                            observation_of(&task, key, Measurement::Value(1.0))
                        })
                        .collect();
                    let recorded = insert(&store, &task, &sent).await;
                    assert!(recorded.iter().all(|recorded| matches!(recorded, Recorded::New(_))));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    is_written.store(true, Ordering::Release);
    let n_snapshots = reader.await.expect("no panic");
    assert!(n_snapshots > 1, "{n_snapshots} snapshots were taken");
    let n_written = i64::try_from(N_WRITERS * N_BATCHES * networks.len()).expect("a small number");
    assert_eq!(numbers(&all(&store, &task).await), (1..=n_written).collect::<Vec<_>>());
    assert_eq!(last_sequence(&store, &task).await, Sequence(n_written));
}

/// Reads "up to the last number" until all is written, and all of these again at the end. Each must have
/// every number up to its own from the first time on.
async fn take_snapshots(store: Store, task: TaskName, is_written: Arc<AtomicBool>) -> usize {
    let read = async |up_to: Sequence| -> Vec<StoredObservation> {
        store.snapshot_page(&task, up_to, Sequence(0), u32::MAX).await.expect("a snapshot")
    };
    let mut taken = BTreeMap::new();
    while !is_written.load(Ordering::Acquire) {
        let up_to = store.task_by_name(&task).await.expect("an answer").expect("the task").last_sequence;
        let snapshot = read(up_to).await;
        assert_eq!(numbers(&snapshot), (1..=up_to.0).collect::<Vec<_>>(), "up to {up_to}");
        taken.insert(up_to, snapshot);
    }
    for (up_to, snapshot) in &taken {
        assert_eq!(read(*up_to).await, *snapshot, "up to {up_to}");
    }
    taken.len()
}

pub async fn a_batch_replayed_at_once_adds_nothing(database: Database) {
    const N_CLIENTS: usize = 8;
    const N_REPLAYS: usize = 100;
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let sent = observations(&task, &architectures(40));
    let clients: Vec<_> = (0..N_CLIENTS)
        .map(|_| {
            let (store, task, sent) = (store.clone(), task.clone(), sent.clone());
            tokio::spawn(async move {
                let mut n_new = 0;
                for _ in 0..N_REPLAYS {
                    let recorded = insert(&store, &task, &sent).await;
                    n_new += recorded.iter().filter(|recorded| matches!(recorded, Recorded::New(_))).count();
                    assert!(!recorded.iter().any(|recorded| matches!(recorded, Recorded::Conflict { .. })));
                }
                n_new
            })
        })
        .collect();
    let mut n_new = 0;
    for client in clients {
        n_new += client.await.expect("no panic");
    }
    assert_eq!(n_new, sent.len());
    assert_eq!(database.number("SELECT count(*) FROM observations").await, 40);
    assert_eq!(last_sequence(&store, &task).await, Sequence(40));
}

pub async fn tasks_that_share_architectures_are_written_at_once(database: Database) {
    let store = database.store().await;
    let networks = architectures(300);
    let mut writers = Vec::new();
    for number in 0..6 {
        let task = stored_task(&store, &format!("task-{number}")).await;
        let mut networks = networks.clone();
        // Each sends them in another order.
        networks.rotate_left(number * 50);
        if number % 2 == 0 {
            networks.reverse();
        }
        let store = store.clone();
        writers.push(tokio::spawn(async move {
            for part in networks.chunks(60) {
                let sent: Vec<_> = part.iter().map(|network| observation(&task, network, 1.0)).collect();
                insert(&store, &task, &sent).await;
            }
            assert_eq!(live(&store, &task).await.len(), 300);
        }));
    }
    for writer in writers {
        writer.await.expect("no panic");
    }
    assert_eq!(database.number("SELECT count(*) FROM architectures").await, 300);
}
