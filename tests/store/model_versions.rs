//! The first champion, and the bytes of checkpoints.

use tagates::domain::ModelVersionId;
use tagates::store::{Error, Store};

use crate::database::Database;
use crate::made::{name, stored_task};

fn version(text: &str) -> ModelVersionId {
    ModelVersionId(text.to_owned())
}

/// Bytes of the size of a checkpoint, of every value.
fn checkpoint(salt: u8) -> Vec<u8> {
    (0..1_500_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8 ^ salt).collect()
}

async fn champion(store: &Store, task: &str) -> Option<ModelVersionId> {
    store.champion_of(&name(task)).await.expect("an answer")
}

pub async fn the_shipped_checkpoint_becomes_champion_once(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    assert_eq!(champion(&store, "one").await, None);
    let (first, second) = (version("aaaa"), version("bbbb"));
    let bytes = checkpoint(0);
    store.champion_seed(&task, &first, &bytes).await.expect("a seed");
    store.champion_seed(&task, &first, &bytes).await.expect("the same again");
    store.champion_seed(&task, &second, &checkpoint(1)).await.expect("a newer binary's");
    assert_eq!(champion(&store, "one").await, Some(first.clone()));
    assert_eq!(store.checkpoint_of(&task, &first).await.expect("an answer"), Some(bytes));
    assert_eq!(store.checkpoint_of(&task, &second).await.expect("an answer"), None);
    assert_eq!(database.number("SELECT count(*) FROM checkpoints").await, 1);

    store.task_archive(&task).await.expect("an answer").expect("the task");
    store.champion_seed(&task, &first, b"").await.expect("a start with an archived task");

    let unknown = store.champion_seed(&name("two"), &first, b"").await;
    assert!(matches!(unknown, Err(Error::UnknownTask(_))), "{unknown:?}");
    assert_eq!(champion(&store, "two").await, None);
}

pub async fn a_champion_is_seeded_once_by_many(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let seeding: Vec<_> = (0..8_u8)
        .map(|salt| {
            let (store, task) = (store.clone(), task.clone());
            tokio::spawn(async move {
                store.champion_seed(&task, &version(&format!("v{salt}")), &[salt]).await.expect("a seed");
            })
        })
        .collect();
    for seeded in seeding {
        seeded.await.expect("no panic");
    }
    assert_eq!(database.number("SELECT count(*) FROM model_versions").await, 1);
    let champion = champion(&store, "one").await.expect("a champion");
    let bytes = store.checkpoint_of(&task, &champion).await.expect("an answer").expect("bytes");
    assert_eq!(champion, version(&format!("v{}", bytes[0])));
}

pub async fn a_checkpoint_is_stored_once_for_two_tasks(database: Database) {
    let store = database.store().await;
    for text in ["one", "two"] {
        let task = stored_task(&store, text).await.name;
        store.champion_seed(&task, &version("aaaa"), b"bytes").await.expect("a seed");
        assert_eq!(
            store.checkpoint_of(&task, &version("aaaa")).await.expect("an answer").as_deref(),
            Some(&b"bytes"[..])
        );
    }
    assert_eq!(database.number("SELECT count(*) FROM checkpoints").await, 1);
}

pub async fn bytes_that_changed_are_found(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    store.champion_seed(&task, &version("aaaa"), b"bytes").await.expect("a seed");
    database.execute("UPDATE checkpoints SET bytes = digest").await.expect("a change");
    let read = store.checkpoint_of(&task, &version("aaaa")).await;
    assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
}

pub async fn a_task_has_one_champion(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    store.champion_seed(&task, &version("aaaa"), b"bytes").await.expect("a seed");
    let another = |is_champion: &str| {
        format!(
            "INSERT INTO model_versions (task_id, version, digest, created_at, origin, is_champion)
             SELECT task_id, '{is_champion}', digest, created_at, origin, {is_champion} FROM model_versions"
        )
    };
    database.execute(&another("TRUE")).await.expect_err("there is one");
    database.execute(&another("FALSE")).await.expect("a version that is none");
    assert_eq!(champion(&store, "one").await, Some(version("aaaa")));
}
