//! Search spaces that users create, and the tasks of them.

use std::sync::Arc;

use tagates::domain::{RetrainingPolicy, Task};
use tagates::space::{self, Definition, SearchSpace};
use tagates::store::{Error, RequestKey, SearchSpaceCreated, Store, TaskInserted};

use crate::database::Database;
use crate::made::{insert, live, name, observations, task, two};

/// NAS-Bench-101 under another name, with so many nodes at most.
fn space(name: &str, n_nodes: usize) -> Arc<SearchSpace> {
    let mut definition = Definition { name: name.to_owned(), ..space::nasbench101().definition() };
    definition.cells[0].n_nodes = n_nodes;
    Arc::new(SearchSpace::custom(definition).expect("a sound definition"))
}

fn request(id: &str, body: u8) -> RequestKey {
    RequestKey { id: id.to_owned(), digest: [body; 32] }
}

async fn create(store: &Store, space: &SearchSpace, request: Option<&RequestKey>) -> SearchSpaceCreated {
    store.search_space_create(space, request).await.expect("a store that answers")
}

async fn get(store: &Store, name: &str) -> Option<Arc<SearchSpace>> {
    store.search_space_get(name).await.expect("a store that answers")
}

pub async fn a_space_is_read_back_as_it_was_created(database: Database) {
    let store = database.store().await;
    for builtin in space::builtins() {
        let named = format!("my-{}", builtin.name);
        let definition = Definition { name: named.clone(), ..builtin.definition() };
        let space = SearchSpace::custom(definition).expect("a sound definition");
        assert_eq!(create(&store, &space, None).await, SearchSpaceCreated::New);
        assert_eq!(get(&store, &named).await.as_deref(), Some(&space));
    }
    assert_eq!(get(&store, "nobodys").await, None);
    assert_eq!(get(&store, "nasbench201").await, None, "built-in ones are not kept");
}

pub async fn a_definition_never_changes(database: Database) {
    let store = database.store().await;
    assert_eq!(create(&store, &space("mine", 5), None).await, SearchSpaceCreated::New);
    assert_eq!(create(&store, &space("mine", 5), None).await, SearchSpaceCreated::Same);
    assert_eq!(create(&store, &space("mine", 6), None).await, SearchSpaceCreated::NameTaken);
    assert_eq!(get(&store, "mine").await, Some(space("mine", 5)));
}

pub async fn the_same_request_is_the_same_space(database: Database) {
    let store = database.store().await;
    let (first, other) = (space("mine", 5), space("other", 5));
    assert_eq!(create(&store, &first, Some(&request("r", 1))).await, SearchSpaceCreated::New);
    assert_eq!(create(&store, &first, Some(&request("r", 1))).await, SearchSpaceCreated::Same);
    assert_eq!(create(&store, &other, Some(&request("r", 2))).await, SearchSpaceCreated::RequestReused);
    assert_eq!(get(&store, "other").await, None);
    // One that was refused can be used again.
    let taken = create(&store, &space("mine", 6), Some(&request("s", 3))).await;
    assert_eq!(taken, SearchSpaceCreated::NameTaken);
    assert_eq!(create(&store, &other, Some(&request("s", 2))).await, SearchSpaceCreated::New);
    // Of something that is there already, a request is kept too.
    assert_eq!(create(&store, &first, Some(&request("t", 1))).await, SearchSpaceCreated::Same);
    assert_eq!(create(&store, &other, Some(&request("t", 2))).await, SearchSpaceCreated::RequestReused);
    let lifetime = "SELECT min(expires_at - created_at) FROM search_space_requests JOIN search_spaces
        ON name = search_space WHERE request_id = 'r'";
    assert_eq!(database.number(lifetime).await, 24 * 60 * 60 * 1_000_000);
    database.execute("UPDATE search_space_requests SET expires_at = 1").await.expect("a change");
    assert_eq!(create(&store, &space("third", 5), Some(&request("r", 3))).await, SearchSpaceCreated::New);
    assert_eq!(database.number("SELECT count(*) FROM search_space_requests").await, 1);
}

pub async fn the_same_space_sent_at_once_is_created_once(database: Database) {
    let stores = two(&database).await;
    let sent: Vec<_> = (0..8)
        .map(|index| {
            let store = stores[index % 2].clone();
            let request = (index < 4).then(|| request("r", 1));
            tokio::spawn(async move { create(&store, &space("mine", 5), request.as_ref()).await })
        })
        .collect();
    let mut n_new = 0;
    for answer in sent {
        match answer.await.expect("no panic") {
            SearchSpaceCreated::New => n_new += 1,
            other => assert_eq!(other, SearchSpaceCreated::Same),
        }
    }
    assert_eq!(n_new, 1);
}

pub async fn spaces_are_listed_by_name(database: Database) {
    let store = database.store().await;
    // In the order of their bytes, which is not that of a dictionary.
    let sorted = ["A", "a", "a-b", "a_b", "aa", "b"];
    for name in ["b", "a_b", "A", "aa", "a", "a-b"] {
        create(&store, &space(name, 5), None).await;
    }
    let list = async |after: &str, limit| {
        let spaces = store.search_spaces_list(after, limit).await.expect("a list");
        spaces.iter().map(|space| space.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(list("", 100).await, sorted);
    assert_eq!(list("", 2).await, sorted[..2]);
    assert_eq!(list("a", 100).await, sorted[2..]);
    assert_eq!(list("b", 100).await, [""; 0]);
    database.execute("UPDATE search_spaces SET definition = '{}' WHERE name = 'a'").await.expect("a change");
    assert_eq!(list("", 2).await, ["A", "a-b"], "what cannot be read is passed over");
    let read = store.search_space_get("a").await;
    assert!(matches!(&read, Err(Error::Corrupt { what, .. }) if what == "search space a"), "{read:?}");
}

pub async fn a_task_of_a_created_space_keeps_what_was_measured(database: Database) {
    let store = database.store().await;
    let space = space("mine", 5);
    create(&store, &space, None).await;
    let task = Task { space: space.clone(), ..task("one") };
    let inserted = store.task_insert(&task, &RetrainingPolicy::default(), None).await.expect("an answer");
    assert!(matches!(inserted, TaskInserted::Created(_)), "{inserted:?}");
    let sent = observations(&task, &space.sample(20, 1));
    insert(&store, &task, &sent).await;

    // As after a restart.
    let again = if database.is_file() { store.clone() } else { database.connect().await };
    let read = again.task_by_name(&name("one")).await.expect("an answer").expect("the task");
    assert_eq!(read.task.space, space);
    let tasks = again.tasks_page(None, 10, false).await.expect("a page");
    assert_eq!(tasks.iter().map(|stored| &stored.task.space).collect::<Vec<_>>(), [&space]);
    let kept: Vec<_> = live(&again, &task).await.into_iter().map(|stored| stored.observation).collect();
    assert_eq!(kept, sent);
}

pub async fn a_task_of_a_space_that_nobody_created_is_not_kept(database: Database) {
    let store = database.store().await;
    let task = Task { space: space("mine", 5), ..task("one") };
    let inserted = store.task_insert(&task, &RetrainingPolicy::default(), None).await;
    assert!(matches!(inserted, Err(Error::Corrupt { .. })), "{inserted:?}");
    assert_eq!(database.number("SELECT count(*) FROM tasks").await, 0);
}
