//! Retractions, and undoing them.

use tagates::domain::{Measurement, ObservationFilter, Recorded, Retraction, Sequence, Task, Timestamp};
use tagates::store::{Error, Store};

use crate::database::Database;
use crate::made::{
    all, architectures, insert, last_sequence, live, numbers, observation, observation_by, observations,
    source, stored_task, values,
};

fn these(sequences: &[i64]) -> ObservationFilter {
    let sequences = sequences.iter().copied().map(Sequence).collect();
    ObservationFilter { sequences, ..Default::default() }
}

async fn retract(store: &Store, task: &Task, filter: &ObservationFilter) -> Retraction {
    store.observations_retract(&task.name, filter, "wrong column").await.expect("a retraction")
}

async fn undo(store: &Store, task: &Task, retraction: Sequence) -> (Retraction, Vec<(Sequence, Recorded)>) {
    let undone = store.retraction_undo(&task.name, retraction).await.expect("an answer");
    let undone = undone.expect("there is such a retraction");
    (undone.retraction, undone.recorded)
}

pub async fn what_meets_the_filter_is_taken_back(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let other = stored_task(&store, "other").await;
    let networks = architectures(6);
    for (network, by) in networks.iter().zip(["", "a", "b", "a", "", "a"]) {
        for task in [&task, &other] {
            insert(&store, task, &[observation_by(task, network, 1.0, by)]).await;
        }
    }
    let first = retract(&store, &task, &these(&[1, 99])).await;
    assert_eq!((first.sequence, first.n_observations), (Sequence(7), 1));
    assert_eq!((first.task.clone(), first.reason.as_str()), (task.name.clone(), "wrong column"));
    assert_eq!(first.undone_at, None);
    assert_eq!(numbers(&live(&store, &task).await), [2, 3, 4, 5, 6]);

    let by_a = ObservationFilter { source: Some(source("a")), ..Default::default() };
    let second = retract(&store, &task, &by_a).await;
    assert_eq!((second.sequence, second.n_observations), (Sequence(8), 3));
    assert_eq!(numbers(&live(&store, &task).await), [3, 5]);

    let from = ObservationFilter { recorded_from: Some(Timestamp { unix_micros: 1 }), ..Default::default() };
    let third = retract(&store, &task, &from).await;
    assert_eq!((third.sequence, third.n_observations), (Sequence(9), 2));
    assert_eq!(live(&store, &task).await, []);

    let fates: Vec<_> = all(&store, &task).await.iter().map(|row| row.retracted_by.map(|by| by.0)).collect();
    assert_eq!(fates, [Some(7), Some(8), Some(9), Some(8), Some(9), Some(8)]);
    assert_eq!(live(&store, &other).await.len(), 6);
    assert_eq!(last_sequence(&store, &task).await, Sequence(9));
}

pub async fn a_retraction_needs_a_condition(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    insert(&store, &task, &observations(&task, &architectures(2))).await;
    let refused = store.observations_retract(&task.name, &ObservationFilter::default(), "all of it").await;
    assert!(matches!(refused, Err(Error::EmptyFilter)), "{refused:?}");
    assert_eq!(live(&store, &task).await.len(), 2);
    assert_eq!(last_sequence(&store, &task).await, Sequence(2));
}

pub async fn what_was_taken_back_can_be_measured_anew(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let network = &architectures(1)[0];
    insert(&store, &task, &[observation(&task, network, 1.0)]).await;
    retract(&store, &task, &these(&[1])).await;
    let anew = insert(&store, &task, &[observation(&task, network, 2.0)]).await;
    assert_eq!(anew, [Recorded::New(Sequence(3))]);
    assert_eq!(values(&live(&store, &task).await), [2.0]);
    assert_eq!(values(&all(&store, &task).await), [1.0, 2.0]);
}

pub async fn undone_a_retraction_is_recorded_again(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(5);
    insert(&store, &task, &observations(&task, &networks)).await;
    let before = all(&store, &task).await;
    let retraction = retract(&store, &task, &these(&[1, 2, 4])).await;
    let (undone, recorded) = undo(&store, &task, retraction.sequence).await;
    assert!(undone.undone_at.is_some_and(|at| at >= retraction.retracted_at));
    let again = [(1, 7), (2, 8), (4, 9)];
    assert_eq!(recorded, again.map(|(old, new)| (Sequence(old), Recorded::New(Sequence(new)))));

    let live = live(&store, &task).await;
    assert_eq!(numbers(&live), [3, 5, 7, 8, 9]);
    for (old, new) in again {
        let find = |number| move |row: &&_| numbers(std::slice::from_ref(*row)) == [number];
        let old = before.iter().find(find(old)).expect("it was there");
        let new = live.iter().find(find(new)).expect("it is there");
        assert_eq!((&old.observation, &old.class), (&new.observation, &new.class));
        assert!(new.recorded_at >= old.recorded_at);
    }
    assert_eq!(last_sequence(&store, &task).await, Sequence(9));
    let old: Vec<_> = all(&store, &task).await.iter().take(5).map(|row| row.retracted_by.is_some()).collect();
    assert_eq!(old, [true, true, false, true, false]);
}

pub async fn undoing_twice_changes_nothing(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    insert(&store, &task, &observations(&task, &architectures(2))).await;
    let retraction = retract(&store, &task, &these(&[1, 2])).await.sequence;
    let (undone, _) = undo(&store, &task, retraction).await;
    let before = all(&store, &task).await;
    let (again, recorded) = undo(&store, &task, retraction).await;
    assert_eq!(again, undone);
    assert_eq!(recorded, []);
    assert_eq!(all(&store, &task).await, before);
    assert_eq!(last_sequence(&store, &task).await, Sequence(5));
    // An observation has a number too, but is no retraction.
    assert!(store.retraction_undo(&task.name, Sequence(1)).await.expect("an answer").is_none());
}

pub async fn what_was_measured_anew_stays_when_a_retraction_is_undone(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(4);
    insert(&store, &task, &observations(&task, &networks)).await;
    let retraction = retract(&store, &task, &these(&[1, 2, 3, 4])).await.sequence;
    let anew = [observation(&task, &networks[1], 1.0), observation(&task, &networks[2], 99.0)];
    insert(&store, &task, &anew).await;
    let (undone, recorded) = undo(&store, &task, retraction).await;
    assert_eq!(undone.n_observations, 4);
    let expected = [
        Recorded::New(Sequence(8)),
        Recorded::Same(Sequence(6)),
        Recorded::Conflict { sequence: Sequence(7), stored: Measurement::Value(99.0) },
        Recorded::New(Sequence(9)),
    ];
    assert_eq!(recorded, (1..=4).map(Sequence).zip(expected).collect::<Vec<_>>());
    let live = live(&store, &task).await;
    assert_eq!(numbers(&live), [6, 7, 8, 9]);
    assert_eq!(values(&live), [1.0, 99.0, 0.0, 3.0]);
}

pub async fn retractions_are_paged(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let other = stored_task(&store, "other").await;
    insert(&store, &task, &observations(&task, &architectures(3))).await;
    insert(&store, &other, &observations(&other, &architectures(3))).await;
    let mut made = Vec::new();
    for number in [2, 1, 3] {
        made.push(retract(&store, &task, &these(&[number])).await);
    }
    retract(&store, &other, &these(&[1])).await;
    made[1] = undo(&store, &task, made[1].sequence).await.0;
    let page = async |after, limit| {
        store.retractions_page(&task.name, Sequence(after), limit).await.expect("a page")
    };
    assert_eq!(page(0, 100).await, made);
    assert_eq!(page(0, 2).await, made[..2]);
    assert_eq!(page(made[1].sequence.0, 2).await, made[2..]);
}

pub async fn a_retraction_of_nothing_is_listed(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let retraction = retract(&store, &task, &these(&[5])).await;
    assert_eq!((retraction.sequence, retraction.n_observations), (Sequence(1), 0));
    assert_eq!(undo(&store, &task, Sequence(1)).await.1, []);
    assert_eq!(store.retractions_page(&task.name, Sequence(0), 9).await.expect("a page").len(), 1);
}
