//! Bringing the schema up to date, and refusing what this binary cannot use.

use tagates::store::{MigrateMode, OpenError, Schema, Store};

use crate::database::Database;
use crate::made::stored_task;

/// The newest migration of this binary.
const BINARY: i64 = 1;

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

/// Two processes that use the same database: on SQLite, where there can be one only, two calls of it.
async fn two(database: &Database) -> [Store; 2] {
    let first = database.connect().await;
    let second = match database.config().database {
        Some(_) => database.connect().await,
        None => first.clone(),
    };
    [first, second]
}

pub async fn two_that_migrate_at_once_both_start(first: Database) {
    let is_sqlite = first.config().database.is_none();
    for _ in 0..20 {
        let database = if is_sqlite { Database::sqlite() } else { Database::postgres().await };
        let [one, two] = two(&database).await;
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
    assert!(message.contains("at version none") && message.contains("needs 1"), "{message}");
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
        assert!(matches!(error, OpenError::SchemaTooNew { schema: 2, lowest: 2, binary: 1 }), "{error:?}");
        let message = error.to_string();
        assert!(message.contains("at version 2") && message.contains("this binary is at 1"), "{message}");
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
