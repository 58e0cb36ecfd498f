//! Tasks, and the requests that create them.

use std::slice;

use tagates::domain::{
    Budget, Goal, Holdout, ObservationFilter, RetrainingPolicy, SaliencyProxy, Sequence, Task, TaskName,
    TaskSettings, Unit,
};
use tagates::space;
use tagates::store::{Error, RequestKey, Store, TaskInserted};

use crate::database::Database;
use crate::made::{architecture, insert, live, name, observation, stored_task, task};

async fn create(store: &Store, task: &Task, request: Option<&RequestKey>) -> TaskInserted {
    store.task_insert(task, &RetrainingPolicy::default(), request).await.expect("a store that answers")
}

fn request(id: &str, body: u8) -> RequestKey {
    RequestKey { id: id.to_owned(), digest: [body; 32] }
}

fn created(inserted: TaskInserted) -> TaskName {
    match inserted {
        TaskInserted::Created(stored) => stored.task.name,
        other => panic!("no task but {other:?}"),
    }
}

pub async fn a_task_is_read_back_as_it_was_created(database: Database) {
    let store = database.store().await;
    let unusual = Task {
        name: name("0.an_unusual-task"),
        space: space::nasbench201(),
        dataset: "naïve 'données'; --".to_owned(),
        metric: String::new(),
        goal: Goal::Minimize,
        unit: Unit::None,
        valid_range: f64::MIN..=(0.1 + 0.2),
        budgets: vec![Budget(0), Budget(1), Budget(u32::MAX)],
        holdout: Holdout::new("\u{1f9c2}", 1.0 / 3.0).expect("a share"),
    };
    let policy = RetrainingPolicy {
        is_enabled: false,
        max_staleness_s: Some(7),
        min_new_share: 0.1 + 0.2,
        ..RetrainingPolicy::default()
    };
    let saliency_proxy = Some(SaliencyProxy { name: "'\"".to_owned(), seed: 7 });
    let settings = TaskSettings { policy: policy.clone(), saliency_proxy: saliency_proxy.clone() };
    let inserted = store.task_insert(&unusual, settings, None).await.expect("an answer");
    let TaskInserted::Created(returned) = inserted else { panic!("the name is free") };
    let read = store.task_by_name(&unusual.name).await.expect("an answer").expect("the task");
    for stored in [returned, read] {
        assert_eq!(stored.task.name, unusual.name);
        assert_eq!(stored.task.space.name, unusual.space.name);
        assert_eq!(stored.task.dataset, unusual.dataset);
        assert_eq!(stored.task.metric, unusual.metric);
        assert_eq!(stored.task.goal, unusual.goal);
        assert_eq!(stored.task.unit, unusual.unit);
        assert_eq!(stored.task.valid_range, unusual.valid_range);
        assert_eq!(stored.task.budgets, unusual.budgets);
        assert_eq!(stored.task.holdout, unusual.holdout);
        assert_eq!(stored.policy, policy);
        assert_eq!(stored.saliency_proxy, saliency_proxy);
        assert_eq!(stored.archived_at, None);
        assert_eq!(stored.last_sequence, Sequence(0));
        // Microseconds, not milliseconds or seconds: some time between 2020 and 2100.
        assert!((1_577_836_800_000_000..4_102_444_800_000_000).contains(&stored.created_at.unix_micros));
    }
    assert!(store.task_by_name(&name("another")).await.expect("an answer").is_none());
}

pub async fn a_name_is_given_once(database: Database) {
    let store = database.store().await;
    stored_task(&store, "one").await;
    let other = Task { dataset: "imagenet".to_owned(), ..task("one") };
    assert!(matches!(create(&store, &other, None).await, TaskInserted::NameTaken));
    let kept = store.task_by_name(&name("one")).await.expect("an answer").expect("the task");
    assert_eq!(kept.task.dataset, "cifar10");
}

pub async fn tasks_are_paged_by_name(database: Database) {
    let store = database.store().await;
    // In the order of their bytes, which is not that of a dictionary.
    let sorted = ["1", "a", "a-b", "a.b", "a1", "a_b", "aa", "b"];
    for text in ["a_b", "b", "a1", "a", "aa", "1", "a.b", "a-b"] {
        stored_task(&store, text).await;
    }
    let page = async |after: Option<&str>, limit, with_archived| -> Vec<String> {
        let after = after.map(name);
        let page = store.tasks_page(after.as_ref(), limit, with_archived).await.expect("a page");
        page.into_iter().map(|stored| stored.task.name.to_string()).collect()
    };
    assert_eq!(page(None, 100, false).await, sorted);
    assert_eq!(page(None, 3, false).await, sorted[..3]);
    assert_eq!(page(Some(sorted[2]), 100, false).await, sorted[3..]);
    assert_eq!(page(Some("b"), 100, false).await, [""; 0]);

    store.task_archive(&name("a1")).await.expect("an answer").expect("the task");
    assert!(!page(None, 100, false).await.contains(&"a1".to_owned()));
    assert_eq!(page(None, 100, true).await, sorted);
}

pub async fn settings_are_replaced(database: Database) {
    let store = database.store().await;
    stored_task(&store, "one").await;
    stored_task(&store, "two").await;
    let policy = RetrainingPolicy { cool_down_s: 86_400, ..RetrainingPolicy::default() };
    let saliency_proxy = Some(SaliencyProxy { name: "small".to_owned(), seed: u32::MAX });
    let settings = TaskSettings { policy, saliency_proxy };
    let read = async |text| {
        let stored = store.task_by_name(&name(text)).await.expect("an answer").expect("the task");
        TaskSettings { policy: stored.policy, saliency_proxy: stored.saliency_proxy }
    };
    for settings in [settings, TaskSettings::default()] {
        let updated = store
            .task_update(&name("one"), |_| settings.clone())
            .await
            .expect("an answer")
            .expect("the task");
        assert_eq!((&updated.policy, &updated.saliency_proxy), (&settings.policy, &settings.saliency_proxy));
        assert_eq!(read("one").await, settings);
        assert_eq!(read("two").await, TaskSettings::default());
    }
    assert!(store.task_update(&name("three"), |settings| settings).await.expect("an answer").is_none());
}

pub async fn policy_changes_at_once_are_all_kept(database: Database) {
    let store = database.store().await;
    stored_task(&store, "one").await;
    let changes = (0..20).map(|i| {
        let store = store.clone();
        tokio::spawn(async move {
            let add = |mut settings: TaskSettings| {
                settings.policy.min_observations += 1;
                settings.policy.cool_down_s += i;
                settings
            };
            store.task_update(&name("one"), add).await.expect("an answer").expect("the task");
        })
    });
    for change in changes.collect::<Vec<_>>() {
        change.await.expect("no panic");
    }
    let policy = store.task_by_name(&name("one")).await.expect("an answer").expect("the task").policy;
    let before = RetrainingPolicy::default();
    assert_eq!(policy.min_observations, before.min_observations + 20);
    assert_eq!(policy.cool_down_s, before.cool_down_s + (0..20).sum::<u32>());
}

pub async fn what_a_newer_binary_wrote_is_passed_over(database: Database) {
    let store = database.store().await;
    for task in ["a", "b", "c"] {
        stored_task(&store, task).await;
    }
    let newer = "UPDATE tasks SET space = 'of-a-newer-binary' WHERE name = 'b'";
    database.execute(newer).await.expect("a row");
    let policy =
        "UPDATE tasks SET policy = '{\"cool_down_s\": 7, \"of_a_newer_binary\": true}' WHERE name = 'c'";
    database.execute(policy).await.expect("a row");
    let names = async |limit| {
        let page = store.tasks_page(None, limit, false).await.expect("a page");
        page.iter().map(|stored| stored.task.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        (names(9).await, names(2).await, names(1).await),
        (vec!["a".into(), "c".into()], vec!["a".into(), "c".into()], vec!["a".to_owned()])
    );
    let unreadable = store.task_by_name(&name("b")).await;
    assert!(matches!(unreadable, Err(Error::Corrupt { .. })), "{unreadable:?}");
    let policy = store.task_by_name(&name("c")).await.expect("an answer").expect("the task").policy;
    assert_eq!(policy.cool_down_s, 7);
}

pub async fn an_archived_task_takes_nothing_new(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let seen = observation(&task, &architecture(), 1.0);
    insert(&store, &task, slice::from_ref(&seen)).await;
    let filter = ObservationFilter { sequences: vec![Sequence(1)], ..Default::default() };
    let retraction = store.observations_retract(&task.name, &filter, "").await.expect("a retraction");

    let archived = store.task_archive(&task.name).await.expect("an answer").expect("the task");
    assert!(archived.archived_at.is_some_and(|at| at >= archived.created_at));
    let inserted = store.observations_insert(&task.name, &[seen]).await;
    assert!(matches!(&inserted, Err(Error::Archived(name)) if *name == task.name), "{inserted:?}");
    let retracted = store.observations_retract(&task.name, &filter, "").await;
    assert!(matches!(retracted, Err(Error::Archived(_))), "{retracted:?}");
    let undone = store.retraction_undo(&task.name, retraction.sequence).await;
    assert!(matches!(undone, Err(Error::Archived(_))), "{undone:?}");
    assert_eq!(live(&store, &task).await, []);

    let again = store.task_archive(&task.name).await.expect("an answer").expect("the task");
    assert_eq!(again.archived_at, archived.archived_at);
    assert!(store.task_archive(&name("two")).await.expect("an answer").is_none());
}

pub async fn the_same_request_again_is_the_same_task(database: Database) {
    let store = database.store().await;
    let first = create(&store, &task("one"), Some(&request("r", 1))).await;
    let again = create(&store, &task("one"), Some(&request("r", 1))).await;
    let (TaskInserted::Created(first), TaskInserted::Created(again)) = (first, again) else {
        panic!("both are answered with the task");
    };
    assert_eq!(first.created_at, again.created_at);
    assert!(matches!(create(&store, &task("one"), Some(&request("s", 1))).await, TaskInserted::NameTaken));
}

pub async fn a_request_with_another_body_is_refused(database: Database) {
    let store = database.store().await;
    create(&store, &task("one"), Some(&request("r", 1))).await;
    assert!(matches!(
        create(&store, &task("two"), Some(&request("r", 2))).await,
        TaskInserted::RequestReused
    ));
    assert!(store.task_by_name(&name("two")).await.expect("an answer").is_none());
}

pub async fn a_request_that_was_refused_can_be_used(database: Database) {
    let store = database.store().await;
    stored_task(&store, "one").await;
    assert!(matches!(create(&store, &task("one"), Some(&request("r", 1))).await, TaskInserted::NameTaken));
    assert_eq!(created(create(&store, &task("two"), Some(&request("r", 2))).await), name("two"));
}

pub async fn a_request_expires(database: Database) {
    let store = database.store().await;
    create(&store, &task("one"), Some(&request("r", 1))).await;
    let lifetime = database
        .number("SELECT expires_at - created_at FROM task_requests JOIN tasks ON name = task_name")
        .await;
    assert_eq!(lifetime, 24 * 60 * 60 * 1_000_000);
    database.execute("UPDATE task_requests SET expires_at = 1").await.expect("a change");
    assert_eq!(created(create(&store, &task("two"), Some(&request("r", 2))).await), name("two"));
    assert_eq!(database.number("SELECT count(*) FROM task_requests").await, 1);
}

pub async fn the_same_request_sent_at_once_makes_one_task(database: Database) {
    let store = database.store().await;
    let sent: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { create(&store, &task("one"), Some(&request("r", 1))).await })
        })
        .collect();
    for answer in sent {
        assert_eq!(created(answer.await.expect("no panic")), name("one"));
    }
    assert_eq!(database.number("SELECT count(*) FROM tasks").await, 1);
}

pub async fn a_row_that_cannot_be_read_is_an_error(database: Database) {
    let store = database.store().await;
    stored_task(&store, "one").await;
    for damage in ["budgets = '12'", "space = 'nasbench202', budgets = '[12]'"] {
        database.execute(&format!("UPDATE tasks SET {damage}")).await.expect("a change");
        let read = store.task_by_name(&name("one")).await;
        let Err(Error::Corrupt { what, .. }) = read else { panic!("it was read: {read:?}") };
        assert_eq!(what, "task one");
    }
}
