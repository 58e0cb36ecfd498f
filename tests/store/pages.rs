//! Pages, filters and snapshots.

use tagates::domain::{ObservationFilter, Sequence, StoredObservation, Task, Timestamp};
use tagates::store::{Error, Store};

use crate::database::Database;
use crate::made::{
    all, architectures, insert, last_sequence, live, numbers, observation_by, observations, snapshot, source,
    stored_task,
};

async fn page(store: &Store, task: &Task, filter: &ObservationFilter, after: i64, limit: u32) -> Vec<i64> {
    let page = store.observations_page(&task.name, filter, false, Sequence(after), limit).await;
    numbers(&page.expect("a page"))
}

pub async fn pages_follow_each_other_without_gap_or_overlap(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let other = stored_task(&store, "other").await;
    let networks = architectures(25);
    insert(&store, &other, &observations(&other, &networks)).await;
    insert(&store, &task, &observations(&task, &networks)).await;
    let none = ObservationFilter::default();
    assert_eq!(page(&store, &task, &none, 0, 10).await, (1..=10).collect::<Vec<_>>());
    assert_eq!(page(&store, &task, &none, 10, 10).await, (11..=20).collect::<Vec<_>>());
    assert_eq!(page(&store, &task, &none, 20, 10).await, (21..=25).collect::<Vec<_>>());
    assert_eq!(page(&store, &task, &none, 25, 10).await, [0; 0]);
    let up_to = Sequence(15);
    let snapshot = store.snapshot_page(&task.name, up_to, Sequence(10), 3).await.expect("a page");
    assert_eq!(numbers(&snapshot), [11, 12, 13]);
    let snapshot = store.snapshot_page(&task.name, up_to, Sequence(13), 3).await.expect("a page");
    assert_eq!(numbers(&snapshot), [14, 15]);
}

pub async fn each_condition_of_a_filter_holds(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(6);
    for (network, by) in networks.iter().zip(["", "a", "b", "a", "", "a"]) {
        insert(&store, &task, &[observation_by(&task, network, 1.0, by)]).await;
    }
    // Clocks of some databases tick once in a millisecond.
    database.execute("UPDATE observations SET recorded_at = 1000 + sequence").await.expect("a change");
    let at = |unix_micros| Some(Timestamp { unix_micros });
    let none = ObservationFilter::default;
    let cases = [
        (none(), vec![1, 2, 3, 4, 5, 6]),
        (ObservationFilter { sequences: [5, 2, 9, 2].map(Sequence).to_vec(), ..none() }, vec![2, 5]),
        (ObservationFilter { source: Some(source("a")), ..none() }, vec![2, 4, 6]),
        (ObservationFilter { source: Some(source("")), ..none() }, vec![1, 5]),
        (ObservationFilter { source: Some(source("c")), ..none() }, vec![]),
        (ObservationFilter { recorded_from: at(1_003), ..none() }, vec![3, 4, 5, 6]),
        (ObservationFilter { recorded_before: at(1_003), ..none() }, vec![1, 2]),
        (
            ObservationFilter {
                sequences: [1, 2, 4].map(Sequence).to_vec(),
                source: Some(source("a")),
                recorded_from: at(1_003),
                recorded_before: at(1_006),
            },
            vec![4],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(page(&store, &task, &filter, 0, 100).await, expected, "{filter:?}");
    }
    let by_a = ObservationFilter { source: Some(source("a")), ..none() };
    assert_eq!(page(&store, &task, &by_a, 2, 1).await, [4]);
}

pub async fn more_numbers_than_a_statement_has_parameters_can_be_asked_for(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    insert(&store, &task, &observations(&task, &architectures(3))).await;
    let sequences: Vec<_> = (2..70_000).map(Sequence).collect();
    let filter = ObservationFilter { sequences, ..Default::default() };
    assert_eq!(page(&store, &task, &filter, 0, 100).await, [2, 3]);
}

pub async fn a_snapshot_never_changes(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(30);
    let sent = observations(&task, &networks);
    let retract = async |filter: ObservationFilter| {
        store.observations_retract(&task.name, &filter, "wrong").await.expect("a retraction").sequence
    };
    let one = |number| ObservationFilter { sequences: vec![Sequence(number)], ..Default::default() };

    // After each change, what "up to n" is, for the n of then.
    let mut taken: Vec<(Sequence, Vec<StoredObservation>)> = Vec::new();
    let take = async || {
        let up_to = last_sequence(&store, &task).await;
        (up_to, snapshot(&store, &task, up_to).await)
    };
    taken.push(take().await);
    insert(&store, &task, &sent[..10]).await;
    taken.push(take().await);
    let first = retract(one(3)).await;
    taken.push(take().await);
    insert(&store, &task, &sent[..20]).await;
    taken.push(take().await);
    let everything = ObservationFilter { source: Some(source("")), ..Default::default() };
    let second = retract(everything).await;
    taken.push(take().await);
    store.retraction_undo(&task.name, second).await.expect("an answer").expect("a retraction");
    taken.push(take().await);
    store.retraction_undo(&task.name, first).await.expect("an answer").expect("a retraction");
    insert(&store, &task, &sent).await;
    taken.push(take().await);

    let sizes: Vec<_> = taken.iter().map(|(_, rows)| rows.len()).collect();
    assert_eq!(sizes, [0, 10, 9, 20, 0, 20, 30]);
    for (up_to, rows) in taken {
        assert_eq!(snapshot(&store, &task, up_to).await, rows, "up to {up_to}");
    }
    assert_eq!(live(&store, &task).await.len(), 30);
    assert_eq!(all(&store, &task).await.len(), 10 + 11 + 20 + 10);
}

pub async fn a_snapshot_of_the_future_is_refused(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    insert(&store, &task, &observations(&task, &architectures(3))).await;
    let ahead = store.snapshot_page(&task.name, Sequence(4), Sequence(0), 10).await;
    let Err(Error::SnapshotAhead { up_to, last, .. }) = ahead else { panic!("it was taken: {ahead:?}") };
    assert_eq!((up_to, last), (Sequence(4), Sequence(3)));
}
