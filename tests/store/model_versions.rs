//! Versions, the first champion, and the bytes of checkpoints.

use sha2::{Digest, Sha256};
use tagates::domain::{ModelVersion, ModelVersionId, Origin, TaskName};
use tagates::store::{Error, NewVersion, Promoted, Store, VersionInserted};

use crate::database::Database;
use crate::made::{name, stored_task, two};

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

fn new_version(checkpoint: &[u8]) -> NewVersion {
    NewVersion { checkpoint: checkpoint.to_vec(), report: None, decision: None }
}

async fn insert(store: &Store, task: &TaskName, checkpoint: &[u8]) -> ModelVersion {
    match store.version_insert(task, &new_version(checkpoint)).await.expect("an answer") {
        VersionInserted::New(version) => version,
        VersionInserted::Same(version) => panic!("it was there: {version:?}"),
    }
}

async fn by_id(store: &Store, task: &TaskName, id: &ModelVersionId) -> ModelVersion {
    store.version_by_id(task, id).await.expect("an answer").expect("a version")
}

pub async fn an_imported_version_is_read_back_as_it_was_sent(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let sent = NewVersion { report: Some(serde_json::json!({"tau": 0.1 + 0.2})), ..new_version(b"bytes") };
    let inserted = store.version_insert(&task, &sent).await.expect("an answer");
    let VersionInserted::New(version) = inserted else { panic!("a new version: {inserted:?}") };
    assert_eq!(version.id, ModelVersionId::of_digest(&Sha256::digest(b"bytes").into()));
    assert_eq!((version.origin, version.run, version.trained_up_to), (Origin::Imported, None, None));
    assert_eq!((&version.report, &version.decision), (&sent.report, &None));
    assert!(version.is_kept && !version.is_champion);
    assert_eq!(by_id(&store, &task, &version.id).await, version);
    let again = store.version_insert(&task, &new_version(b"bytes")).await.expect("an answer");
    assert_eq!(again, VersionInserted::Same(version.clone()), "the report it came with first stays");
    assert_eq!(champion(&store, "one").await, None);

    assert_eq!(store.version_by_id(&name("two"), &version.id).await.expect("an answer"), None);
    let unknown = store.version_insert(&name("two"), &sent).await;
    assert!(matches!(unknown, Err(Error::UnknownTask(_))), "{unknown:?}");
    store.task_archive(&task).await.expect("an answer").expect("the task");
    let archived = store.version_insert(&task, &new_version(b"other")).await;
    assert!(matches!(archived, Err(Error::Archived(_))), "{archived:?}");
}

pub async fn versions_are_paged_from_the_newest(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let mut versions = Vec::new();
    for number in 0..5_u8 {
        versions.push(insert(&store, &task, &[number]).await);
    }
    // At the same time, by name.
    database.execute("UPDATE model_versions SET created_at = 5").await.expect("a change");
    versions.sort_by(|one, other| other.id.cmp(&one.id));
    let page = async |after: Option<&ModelVersionId>, limit| -> Vec<ModelVersionId> {
        let page = store.versions_page(&task, after, limit).await.expect("a page");
        page.into_iter().map(|version| version.id).collect()
    };
    let ids: Vec<_> = versions.into_iter().map(|version| version.id).collect();
    assert_eq!(page(None, 100).await, ids);
    assert_eq!(page(Some(&ids[1]), 2).await, ids[2..4]);
    assert_eq!(page(Some(&ids[4]), 100).await, []);
    let newest = format!("UPDATE model_versions SET created_at = 6 WHERE version = '{}'", ids[3]);
    database.execute(&newest).await.expect("a change");
    assert_eq!(page(None, 2).await, [ids[3].clone(), ids[0].clone()]);
    assert_eq!(page(Some(&ids[3]), 1).await, ids[..1]);
}

pub async fn pruning_keeps_the_newest_and_every_past_champion(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let seeded = version("seeded");
    store.champion_seed(&task, &seeded, b"seed").await.expect("a seed");
    let mut ids = Vec::new();
    for number in 0..6_u8 {
        ids.push(insert(&store, &task, &[number]).await.id);
    }
    let created = "UPDATE model_versions SET created_at = CASE version";
    let times: Vec<_> =
        ids.iter().enumerate().map(|(time, id)| format!("WHEN '{id}' THEN {}", time + 1)).collect();
    database.execute(&format!("{created} {} ELSE 0 END", times.join(" "))).await.expect("a change");
    // 0 was champion, 1 is; another task has 2.
    store.champion_promote(&task, Some(&seeded), &ids[0], "", "").await.expect("an answer");
    store.champion_promote(&task, Some(&ids[0]), &ids[1], "", "").await.expect("an answer");
    let other = stored_task(&store, "two").await.name;
    insert(&store, &other, &[2]).await;

    assert_eq!(store.versions_prune(&task, 1).await.expect("an answer"), 2);
    assert_eq!(store.versions_prune(&task, 1).await.expect("an answer"), 0);
    for (number, is_kept) in [true, true, true, false, false, true].into_iter().enumerate() {
        let id = &ids[number];
        assert_eq!(by_id(&store, &task, id).await.is_kept, is_kept, "{number}");
        assert_eq!(store.checkpoint_of(&task, id).await.expect("an answer").is_some(), is_kept, "{number}");
    }
    assert!(by_id(&store, &task, &seeded).await.is_kept);
    assert_eq!(store.versions_page(&task, None, 100).await.expect("a page").len(), 7);
    assert_eq!(database.number("SELECT count(*) FROM checkpoints WHERE length(bytes) = 0").await, 2);

    let dropped = store.champion_promote(&task, Some(&ids[1]), &ids[3], "", "").await.expect("an answer");
    assert_eq!(dropped, Promoted::NotKept);
    // The same file again brings it back.
    let again = store.version_insert(&task, &new_version(&[3])).await.expect("an answer");
    assert!(matches!(again, VersionInserted::Same(version) if version.is_kept));
    assert_eq!(store.checkpoint_of(&task, &ids[3]).await.expect("an answer"), Some(vec![3]));
    let promoted = store.champion_promote(&task, Some(&ids[1]), &ids[3], "", "").await.expect("an answer");
    assert!(matches!(promoted, Promoted::Now(_)), "{promoted:?}");
}

pub async fn what_is_stored_while_others_prune_is_kept(database: Database) {
    let [store, other] = two(&database).await;
    let old = stored_task(&store, "old").await.name;
    for number in 0..40_u8 {
        let task = stored_task(&store, &format!("task-{number}")).await.name;
        let inserted = insert(&store, &old, &[number]).await.id;
        let sent = new_version(&[number]);
        let (pruned, stored) =
            tokio::join!(store.versions_prune(&old, 0), other.version_insert(&task, &sent));
        pruned.expect("an answer");
        stored.expect("an answer");
        let bytes = store.checkpoint_of(&task, &inserted).await.expect("an answer");
        assert_eq!(bytes, Some(vec![number]), "stored or brought back");
    }
}
