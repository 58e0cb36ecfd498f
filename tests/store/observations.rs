//! Observations and their natural key.

use tagates::domain::{
    Budget, Measurement, Observation, ObservationCounts, ObservationFilter, ObservationKey, Recorded,
    Repeats, Sequence, StoredObservation,
};
use tagates::space;
use tagates::store::Error;

use crate::database::Database;
use crate::made::{
    all, architecture, architectures, insert, key, last_sequence, live, name, numbers, observation,
    observation_by, observation_of, observations, source, stored_task, task,
};

fn infeasible(reason: &str) -> Measurement {
    Measurement::Infeasible(reason.to_owned())
}

pub async fn an_observation_is_read_back_as_it_was_sent(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(4);
    let repeats = Repeats { n: 3, standard_deviation: Some(0.1 + 0.2) };
    let one_of_three = Repeats { n: u32::MAX, standard_deviation: None };
    let by_somebody = ObservationKey {
        budget: Budget(12),
        seed: i64::MIN,
        source: source("naïve ' \u{1f9d1}"),
        ..key(&task, &networks[1])
    };
    let sent = [
        observation(&task, &networks[0], 1.0 / 3.0),
        Observation::new(&task, by_somebody, Measurement::Value(f64::MIN_POSITIVE), Some(repeats))
            .expect("valid"),
        observation_of(&task, key(&task, &networks[2]), infeasible("out of memory")),
        Observation::new(&task, key(&task, &networks[3]), Measurement::Value(f64::MAX), Some(one_of_three))
            .expect("valid"),
    ];
    let recorded = insert(&store, &task, &sent).await;
    assert_eq!(recorded, [1, 2, 3, 4].map(|number| Recorded::New(Sequence(number))));

    let stored = all(&store, &task).await;
    assert_eq!(numbers(&stored), [1, 2, 3, 4]);
    for (StoredObservation { observation, class, recorded_at, retracted_by, .. }, sent) in
        stored.iter().zip(&sent)
    {
        assert_eq!(observation, sent);
        assert_eq!(*class, sent.key().architecture.canonical().id);
        assert_eq!(*recorded_at, stored[0].recorded_at);
        assert_eq!(*retracted_by, None);
    }
    let created_at = store.task_by_name(&task.name).await.expect("an answer").expect("the task").created_at;
    assert!(stored[0].recorded_at >= created_at);
}

pub async fn the_same_measurement_again_changes_nothing(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(2);
    let sent = [
        observation(&task, &networks[0], 0.1 + 0.2),
        observation_of(&task, key(&task, &networks[1]), infeasible("diverged")),
    ];
    insert(&store, &task, &sent).await;
    let before = all(&store, &task).await;
    let again = insert(&store, &task, &sent).await;
    assert_eq!(again, [1, 2].map(|number| Recorded::Same(Sequence(number))));
    assert_eq!(all(&store, &task).await, before);
    assert_eq!(last_sequence(&store, &task).await, Sequence(2));
}

pub async fn another_measurement_of_a_key_is_a_conflict(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(2);
    let kept = [
        observation(&task, &networks[0], 0.3),
        observation_of(&task, key(&task, &networks[1]), infeasible("diverged")),
    ];
    insert(&store, &task, &kept).await;
    let before = all(&store, &task).await;

    let first = |measurement, repeats| {
        Observation::new(&task, key(&task, &networks[0]), measurement, repeats).expect("valid")
    };
    let second = |measurement| observation_of(&task, key(&task, &networks[1]), measurement);
    let sent = [
        // Another by one bit.
        first(Measurement::Value(0.1 + 0.2), None),
        first(Measurement::Value(0.3), Some(Repeats { n: 1, standard_deviation: None })),
        first(infeasible("diverged"), None),
        second(infeasible("out of memory")),
        second(Measurement::Value(0.3)),
    ];
    let recorded = insert(&store, &task, &sent).await;
    for (recorded, kept) in recorded.iter().zip([0, 0, 0, 1, 1]) {
        let stored = before[kept].observation.measurement().clone();
        assert_eq!(*recorded, Recorded::Conflict { sequence: before[kept].sequence, stored });
    }
    assert_eq!(recorded.len(), sent.len());
    assert_eq!(all(&store, &task).await, before);
}

pub async fn every_part_of_the_key_tells_observations_apart(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    // Two that are written differently and compute the same.
    let space = space::nasbench201();
    let isomorphic = [
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
        "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|",
    ]
    .map(|text| space.parse(text).expect("an architecture"));
    assert_eq!(isomorphic[0].canonical().id, isomorphic[1].canonical().id);
    let base = key(&task, &isomorphic[0]);
    let sent = [
        base.clone(),
        ObservationKey { architecture: isomorphic[1].clone(), ..base.clone() },
        ObservationKey { budget: Budget(12), ..base.clone() },
        ObservationKey { seed: -1, ..base.clone() },
        ObservationKey { source: source("a"), ..base.clone() },
        ObservationKey { source: source("A"), ..base.clone() },
        ObservationKey { source: source("a "), ..base },
    ]
    .map(|key| observation_of(&task, key, Measurement::Value(1.0)));
    let recorded = insert(&store, &task, &sent).await;
    assert_eq!(recorded, [1, 2, 3, 4, 5, 6, 7].map(|number| Recorded::New(Sequence(number))));
    let again = insert(&store, &task, &sent).await;
    assert_eq!(again, [1, 2, 3, 4, 5, 6, 7].map(|number| Recorded::Same(Sequence(number))));
}

pub async fn duplicates_in_a_batch_meet_the_first(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(2);
    let sent = [
        observation(&task, &networks[0], 1.0),
        observation(&task, &networks[0], 1.0),
        observation(&task, &networks[0], 2.0),
        observation(&task, &networks[1], 3.0),
        observation(&task, &networks[0], 1.0),
    ];
    let recorded = insert(&store, &task, &sent).await;
    let expected = [
        Recorded::New(Sequence(1)),
        Recorded::Same(Sequence(1)),
        Recorded::Conflict { sequence: Sequence(1), stored: Measurement::Value(1.0) },
        Recorded::New(Sequence(2)),
        Recorded::Same(Sequence(1)),
    ];
    assert_eq!(recorded, expected);
    assert_eq!(numbers(&all(&store, &task).await), [1, 2]);
}

pub async fn a_batch_does_what_its_observations_do_one_by_one(database: Database) {
    let store = database.store().await;
    let (batched, single) = (stored_task(&store, "batched").await, stored_task(&store, "single").await);
    // Enough for several statements, the last one not full, and for another number of new rows.
    let networks = architectures(1_234);
    let mut recorded = Vec::new();
    for task in [&batched, &single] {
        insert(&store, task, &observations(task, &networks[700..900])).await;
        let sent: Vec<_> = networks.iter().map(|network| observation(task, network, 150.0)).collect();
        if task.name == batched.name {
            recorded.push(insert(&store, task, &sent).await);
        } else {
            let mut answers = Vec::new();
            for sent in &sent {
                answers.extend(insert(&store, task, std::slice::from_ref(sent)).await);
            }
            recorded.push(answers);
        }
    }
    assert_eq!(recorded[0], recorded[1]);
    let n_same = recorded[0].iter().filter(|recorded| matches!(recorded, Recorded::Same(_))).count();
    let n_new = recorded[0].iter().filter(|recorded| matches!(recorded, Recorded::New(_))).count();
    assert_eq!((n_same, n_new), (1, 1_034));
    let stored = all(&store, &batched).await;
    assert_eq!(numbers(&stored), (1..=1_234).collect::<Vec<_>>());
    // Each number went to the observation whose answer it is.
    for (recorded, network) in recorded[0].iter().zip(&networks) {
        if let Recorded::New(Sequence(number)) = recorded {
            let index = usize::try_from(*number).expect("a small number") - 1;
            assert_eq!(stored[index].observation.key().architecture, *network);
        }
    }
}

pub async fn numbers_are_given_per_task(database: Database) {
    let store = database.store().await;
    let (one, two) = (stored_task(&store, "one").await, stored_task(&store, "two").await);
    let network = architecture();
    for by in ["a", "b"] {
        for task in [&one, &two] {
            insert(&store, task, &[observation_by(task, &network, 1.0, by)]).await;
        }
    }
    assert_eq!(numbers(&all(&store, &one).await), [1, 2]);
    assert_eq!(numbers(&all(&store, &two).await), [1, 2]);
    assert_eq!(database.number("SELECT count(*) FROM architectures").await, 1);
}

pub async fn an_unknown_task_is_named(database: Database) {
    let store = database.store().await;
    let unknown = task("unknown");
    let filter = tagates::domain::ObservationFilter { sequences: vec![Sequence(1)], ..Default::default() };
    let name = name("unknown");
    let sent = [observation(&unknown, &architecture(), 1.0)];
    let errors = [
        store.observations_insert(&name, &sent).await.expect_err("no task"),
        store.observations_page(&name, &filter, false, Sequence(0), 1).await.expect_err("no task"),
        store.snapshot_page(&name, Sequence(0), Sequence(0), 1).await.expect_err("no task"),
        store.observations_retract(&name, &filter, "").await.expect_err("no task"),
        store.retraction_undo(&name, Sequence(1)).await.expect_err("no task"),
        store.retractions_page(&name, Sequence(0), 1).await.expect_err("no task"),
    ];
    for error in errors {
        assert!(matches!(&error, Error::UnknownTask(unknown) if *unknown == name), "{error:?}");
    }
    assert_eq!(database.number("SELECT count(*) FROM architectures").await, 0);
}

pub async fn zero_is_zero_of_either_sign(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let network = architecture();
    insert(&store, &task, &[observation(&task, &network, -0.0)]).await;
    let again = insert(&store, &task, &[observation(&task, &network, -0.0)]).await;
    assert_eq!(again, [Recorded::Same(Sequence(1))]);
}

pub async fn an_empty_batch_changes_nothing(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    assert_eq!(insert(&store, &task, &[]).await, []);
    assert_eq!(live(&store, &task).await, []);
    assert_eq!(last_sequence(&store, &task).await, Sequence(0));
}

pub async fn the_schema_refuses_what_no_observation_is(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    insert(&store, &task, &[observation(&task, &architecture(), 1.0)]).await;
    let insert_copy = |columns: &str, values: &str| {
        format!(
            "INSERT INTO observations (task_id, sequence, architecture_id, budget, recorded_at, {columns})
             SELECT task_id, 2, architecture_id, 7, recorded_at, {values} FROM observations WHERE sequence = 1"
        )
    };
    let refused = [
        ("neither value nor reason", insert_copy("value, infeasible_reason", "NULL, NULL")),
        ("both value and reason", insert_copy("value, infeasible_reason", "1.5, 'diverged'")),
        ("an empty reason", insert_copy("infeasible_reason", "''")),
        ("no seed", insert_copy("value, seed", "1.5, NULL")),
        ("no source", insert_copy("value, source", "1.5, NULL")),
        (
            "a live key twice",
            insert_copy("value, budget", "1.5, 200")
                .replace("budget, recorded_at, ", "recorded_at, ")
                .replace("7, recorded_at, ", "recorded_at, "),
        ),
        ("a number twice", insert_copy("value", "1.5").replace("task_id, 2,", "task_id, 1,")),
        ("no repeat", insert_copy("value, n_repeats", "1.5, 0")),
        ("a spread of nothing", insert_copy("value, standard_deviation", "1.5, 0.5")),
        ("an unknown task", insert_copy("value", "1.5").replace("SELECT task_id", "SELECT 99")),
        ("an unknown architecture", insert_copy("value", "1.5").replace("2, architecture_id", "2, 99")),
        ("retracted by nothing", insert_copy("value, retracted_by", "1.5, 3")),
        ("a second compatibility", "INSERT INTO schema_compatibility (lowest_binary) VALUES (2)".to_owned()),
        ("a deleted task", "DELETE FROM tasks".to_owned()),
    ];
    for (what, sql) in refused {
        let error = database.execute(&sql).await.expect_err(what);
        let error = error.as_database_error().unwrap_or_else(|| panic!("{what}: {error}"));
        let kind = error.kind();
        assert!(!matches!(kind, sqlx::error::ErrorKind::Other), "{what}: {error}");
    }
    // What is refused above is refused for that reason alone; and seed and source have defaults.
    database.execute(&insert_copy("value", "1.5")).await.expect("it is accepted");
    let stored = database.number("SELECT count(*) FROM observations WHERE seed = 0 AND source = ''").await;
    assert_eq!(stored, 2);
}

pub async fn live_observations_are_counted(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let networks = architectures(6);
    insert(&store, &task, &observations(&task, &networks[..4])).await;
    let died = |network| observation_of(&task, key(&task, network), infeasible("out of memory"));
    insert(&store, &task, &networks[4..].iter().map(died).collect::<Vec<_>>()).await;
    let filter = ObservationFilter { sequences: vec![Sequence(2), Sequence(5)], ..Default::default() };
    store.observations_retract(&task.name, &filter, "wrong").await.expect("a retraction");
    let count = async |after| {
        let counts = store.observations_count(&task.name, Sequence(after)).await.expect("an answer");
        (counts.n_feasible, counts.n_infeasible, counts.n_new_feasible, counts.n_new_infeasible)
    };
    assert_eq!(count(0).await, (3, 1, 3, 1));
    assert_eq!(count(3).await, (3, 1, 1, 1));
    assert_eq!(count(7).await, (3, 1, 0, 0));
    let empty = stored_task(&store, "two").await.name;
    let counts = store.observations_count(&empty, Sequence(0)).await.expect("an answer");
    assert_eq!(counts, ObservationCounts::default());
    let unknown = store.observations_count(&name("three"), Sequence(0)).await;
    assert!(matches!(unknown, Err(Error::UnknownTask(_))), "{unknown:?}");
}
