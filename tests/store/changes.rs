//! News of what changed reaches those who listen.

use std::time::Duration;

use tagates::domain::TaskName;
use tagates::store::{Changes, NewVersion, Store, VersionInserted};
use tokio::time::timeout;

use crate::database::Database;
use crate::made::{stored_task, two};

/// Longer than news takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub async fn assert_heard(changes: &mut Changes, what: &str) {
    timeout(PATIENCE, changes.next()).await.unwrap_or_else(|_| panic!("{what} is heard of"));
}

/// Does something in one process, and hears of it in another.
pub async fn assert_told(changes: &mut Changes, what: &str, change: impl Future<Output = ()>) {
    // What there was before.
    while timeout(Duration::ZERO, changes.next()).await.is_ok() {}
    change.await;
    assert_heard(changes, what).await;
}

async fn promote(store: &Store, task: &TaskName) {
    let version = NewVersion { checkpoint: b"bytes".to_vec(), report: None, decision: None };
    let VersionInserted::New(version) = store.version_insert(task, &version).await.expect("an answer") else {
        panic!("a new version");
    };
    store.champion_promote(task, None, &version.id, "me", "because").await.expect("an answer");
}

pub async fn a_change_is_heard_of_by_all(database: Database) {
    let [store, other] = two(&database).await;
    let (mut here, mut there) = (store.listen(), other.listen());
    for changes in [&mut here, &mut there] {
        assert_heard(changes, "that somebody listens").await;
    }
    assert_told(&mut there, "a task", async { drop(stored_task(&store, "one").await) }).await;
    let task = crate::made::name("one");
    assert_told(&mut there, "a promotion", promote(&store, &task)).await;
    let enqueue = async { drop(store.run_enqueue(&task, "requested", None).await.expect("an answer")) };
    assert_told(&mut there, "a run", enqueue).await;
    let id = store.last_run_of(&task).await.expect("an answer").expect("a run").id;
    let cancel = async { drop(store.run_cancel(id).await.expect("an answer")) };
    assert_told(&mut there, "that it was cancelled", cancel).await;
    assert_heard(&mut here, "all of it").await;
}
