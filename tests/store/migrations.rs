//! Bringing the schema up to date, and refusing what this binary cannot use.

use tagates::domain::{ModelVersionId, Origin, Sequence};
use tagates::store::{Enqueued, MigrateMode, OpenError, RolledBack, Schema};

use crate::database::Database;
use crate::made::{architectures, key, live, name, observation, stored_task, two_unmigrated};

/// The newest migration of this binary.
const BINARY: i64 = 4;

/// Applies a migration that a newer binary would know.
async fn step_ahead(database: &Database, lowest_binary: i64) {
    database
        .execute(&format!(
            "ALTER TABLE tasks ADD COLUMN owner TEXT;
             UPDATE schema_compatibility SET lowest_binary = {lowest_binary};
             INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT {ahead}, 'owners', success, checksum, execution_time FROM _sqlx_migrations WHERE version = {BINARY}",
            ahead = BINARY + 1
        ))
        .await
        .expect("a migration");
}

async fn n_tables(database: &Database) -> i64 {
    let is_sqlite = database.config().database.is_none();
    database
        .number(if is_sqlite {
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
        } else {
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
        })
        .await
}

pub async fn two_that_migrate_at_once_both_start(first: Database) {
    let is_sqlite = first.config().database.is_none();
    for _ in 0..20 {
        let database = if is_sqlite { Database::sqlite() } else { Database::postgres().await };
        let [one, two] = two_unmigrated(&database).await;
        let (first, second) = tokio::join!(one.migrate(MigrateMode::Auto), two.migrate(MigrateMode::Auto));
        let mut before = [first.expect("a clean start").before, second.expect("a clean start").before];
        before.sort_unstable();
        assert_eq!(before, [None, Some(BINARY)], "one migrates, the other waits for it");
        stored_task(&one, "one").await;
        assert_eq!(two.tasks_page(None, 10, true).await.expect("a page").len(), 1);
    }
}

pub async fn migrating_again_changes_nothing(database: Database) {
    let store = database.connect().await;
    let first = store.migrate(MigrateMode::Auto).await.expect("a database that can be migrated");
    assert_eq!(first, Schema { before: None, version: BINARY });
    stored_task(&store, "one").await;
    for mode in [MigrateMode::Auto, MigrateMode::Check] {
        let again = store.migrate(mode).await.expect("nothing to do");
        assert_eq!(again, Schema { before: Some(BINARY), version: BINARY });
    }
    assert_eq!(store.tasks_page(None, 10, true).await.expect("a page").len(), 1);
}

pub async fn a_check_names_what_is_due_and_does_nothing(database: Database) {
    let store = database.connect().await;
    let error = store.migrate(MigrateMode::Check).await.expect_err("nothing was migrated");
    assert!(matches!(error, OpenError::MigrationsPending { schema: None, binary: BINARY }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("at version none") && message.contains("needs 4"), "{message}");
    assert_eq!(n_tables(&database).await, 0);

    store.migrate(MigrateMode::Auto).await.expect("a database that can be migrated");
    store.migrate(MigrateMode::Check).await.expect("nothing is due");
}

pub async fn a_schema_one_expand_step_ahead_is_served(database: Database) {
    drop(database.store().await);
    step_ahead(&database, BINARY).await;
    for mode in [MigrateMode::Auto, MigrateMode::Check] {
        let store = database.connect().await;
        let schema = store.migrate(mode).await.expect("a schema that still serves this binary");
        assert_eq!(schema, Schema { before: Some(BINARY + 1), version: BINARY + 1 });
        stored_task(&store, if mode == MigrateMode::Auto { "auto" } else { "check" }).await;
    }
}

pub async fn a_schema_one_contract_step_ahead_is_refused(database: Database) {
    drop(database.store().await);
    step_ahead(&database, BINARY + 1).await;
    for mode in [MigrateMode::Auto, MigrateMode::Check] {
        let error = database.connect().await.migrate(mode).await.expect_err("a schema that is too new");
        assert!(
            matches!(error, OpenError::SchemaTooNew { schema: 5, lowest: 5, binary: BINARY }),
            "{error:?}"
        );
        let message = error.to_string();
        assert!(message.contains("at version 5") && message.contains("this binary is at 4"), "{message}");
    }
    // Whoever was refused does not keep others from migrating.
    database.execute("UPDATE schema_compatibility SET lowest_binary = 1").await.expect("a change");
    database.connect().await.migrate(MigrateMode::Auto).await.expect("it is served again");
}

pub async fn a_migration_that_was_edited_is_refused(database: Database) {
    drop(database.store().await);
    let edited = "UPDATE _sqlx_migrations SET checksum = (SELECT body FROM edited)";
    let is_sqlite = database.config().database.is_none();
    let other = if is_sqlite { "x'00'" } else { "'\\x00'::bytea" };
    database
        .execute(&format!("CREATE TABLE edited AS SELECT {other} AS body; {edited}"))
        .await
        .expect("a change");
    for mode in [MigrateMode::Auto, MigrateMode::Check] {
        let error = database.connect().await.migrate(mode).await.expect_err("another text");
        assert!(matches!(error, OpenError::MigrationChanged(1)), "{error:?}");
    }
}

/// A task, an observation and a champion as the first schema kept them.
const FIRST: &str = "
    INSERT INTO tasks (
        name, space, dataset, metric, goal, unit, valid_min, valid_max, budgets, holdout_salt, holdout_share, policy,
        created_at, last_sequence
    )
    VALUES (
        'one', 'nasbench201', 'cifar10', 'test_accuracy', 'maximize', 'none', 0, 100, '[200]', 'salt', 0.1, '{}', 7, 1
    );
    INSERT INTO task_requests (request_id, body_digest, task_name, expires_at)
    SELECT 'r', DIGEST, name, 9000000000000000 FROM tasks;
    INSERT INTO architectures (space, text, digest, canonical_id) VALUES ('nasbench201', 'TEXT', DIGEST, 'class');
    INSERT INTO observations (task_id, sequence, architecture_id, budget, value, recorded_at)
    SELECT task_id, 1, architecture_id, 200, 5, 8 FROM tasks, architectures;
    INSERT INTO checkpoints (digest, bytes) VALUES (DIGEST, DIGEST);
    INSERT INTO model_versions (task_id, version, digest, created_at, origin, is_champion)
    SELECT task_id, 'aaaa', DIGEST, 9, 'shipped', TRUE FROM tasks;";

pub async fn what_the_first_schema_kept_is_kept(database: Database) {
    let is_sqlite = database.config().database.is_none();
    let digest = if is_sqlite { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
    let network = architectures(1).remove(0);
    let store = database.connect().await;
    database.migrate_to_first().await;
    let first = FIRST.replace("DIGEST", digest).replace("TEXT'", &format!("{}'", network.text()));
    database.execute(&first).await.expect("rows of the first schema");

    let schema = store.migrate(MigrateMode::Auto).await.expect("a database that can be migrated");
    assert_eq!(schema, Schema { before: Some(1), version: BINARY });
    let kept = store.task_by_name(&name("one")).await.expect("an answer").expect("the task");
    assert_eq!((kept.last_sequence, kept.promotion_paused_at), (Sequence(1), None));
    assert_eq!(kept.saliency_proxy, None);
    let task = kept.task;
    assert_eq!(live(&store, &task).await[0].observation, observation(&task, &network, 5.0));
    assert_eq!(live(&store, &task).await[0].observation.key(), &key(&task, &network));

    let champion = ModelVersionId("aaaa".to_owned());
    let version = store.version_by_id(&task.name, &champion).await.expect("an answer").expect("a version");
    assert!(version.is_champion && version.is_kept && version.origin == Origin::Shipped, "{version:?}");
    let history = store.promotions_page(&task.name, None, 10).await.expect("a page");
    let [first] = &history[..] else { panic!("one promotion: {history:?}") };
    assert_eq!((&first.from, &first.to, first.promoted_at.unix_micros), (&None, &champion, 9));
    let rolled_back = store.champion_rollback(&task.name, &champion, "me", "").await.expect("an answer");
    assert_eq!(rolled_back, RolledBack::NoPrevious);
    let queued = store.run_enqueue(&task.name, "requested", None).await.expect("an answer");
    assert!(matches!(queued, Enqueued::New(_)), "{queued:?}");
}

pub async fn the_binary_before_writes_into_this_schema(database: Database) {
    let is_sqlite = database.config().database.is_none();
    let digest = if is_sqlite { "zeroblob(32)" } else { "decode(repeat('00', 32), 'hex')" };
    let store = database.store().await;
    assert_eq!(database.number("SELECT lowest_binary FROM schema_compatibility").await, 1);
    database.execute(&FIRST.replace("DIGEST", digest)).await.expect("rows as that binary writes them");
    assert_eq!(
        store.champion_of(&name("one")).await.expect("an answer"),
        Some(ModelVersionId("aaaa".into()))
    );
}
