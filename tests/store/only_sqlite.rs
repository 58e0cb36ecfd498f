//! What only an SQLite file promises.

use std::fs;

use tagates::store::{Config, MigrateMode, OpenError, Store};
use tempfile::TempDir;

use crate::database::Database;
use crate::made::{architectures, insert, live, observations, stored_task};

#[tokio::test]
async fn a_data_directory_is_used_by_one_process() {
    let database = Database::sqlite();
    let first = database.store().await;
    let error = Store::connect(&database.config()).await.expect_err("it is in use");
    assert!(matches!(error, OpenError::DataDirInUse { .. }), "{error:?}");
    let message = error.to_string();
    let this_process = format!("process {}", std::process::id());
    assert!(message.contains(&this_process) && message.contains("--data-dir"), "{message}");
    drop(first);
    database.connect().await;
}

#[tokio::test]
async fn an_unusable_data_directory_names_the_flag() {
    let folder = TempDir::new().expect("a temporary folder");
    fs::write(folder.path().join("file"), "no folder").expect("a file");
    fs::create_dir_all(folder.path().join("taken/tagates.sqlite")).expect("a folder");
    for name in ["file", "file/below", "taken"] {
        let data_dir = Some(folder.path().join(name));
        let config = Config { database: None, data_dir, migrate: MigrateMode::Auto };
        let error = Store::connect(&config).await.expect_err("no folder to write to");
        assert!(matches!(error, OpenError::DataDir { .. }), "{error:?}");
        assert!(error.to_string().contains("--data-dir"), "{error}");
    }
}

#[tokio::test]
async fn a_new_data_directory_is_made_and_found_again() {
    let folder = TempDir::new().expect("a temporary folder");
    let data_dir = folder.path().join("state/tagates");
    let config = Config { database: None, data_dir: Some(data_dir.clone()), migrate: MigrateMode::Auto };
    let store = Store::connect(&config).await.expect("a store");
    store.migrate(config.migrate).await.expect("tables");
    assert!(store.to_string().contains(data_dir.to_str().expect("a path in UTF-8")), "{store}");
    let task = stored_task(&store, "one").await;
    insert(&store, &task, &observations(&task, &architectures(3))).await;
    drop(store);
    let again = Store::connect(&config).await.expect("a store");
    assert_eq!(live(&again, &task).await.len(), 3);
}
