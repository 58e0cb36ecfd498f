//! What only a PostgreSQL server does: it can be away.

use tagates::store::{Config, Error, MigrateMode, OpenError, Store};
use tokio::net::TcpListener;

use crate::changes::{assert_heard, assert_told};
use crate::database::Database;
use crate::made::{architectures, insert, live, observations, stored_task, two};

/// Ends every other connection to the database, and says how many there were.
const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let url = "postgres://nobody@localhost/nothing?host=/nonexistent".parse().expect("a URL");
    let config = Config { database: Some(url), data_dir: None, migrate: MigrateMode::Auto };
    let error = Store::connect(&config).await.expect_err("no server");
    assert!(matches!(error, OpenError::Store(Error::Unavailable(_))), "{error:?}");
}

#[tokio::test]
async fn a_server_that_refuses_connections_is_unavailable_and_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("postgres://nobody@{addr}/nothing").parse().expect("a URL");
    let config = Config { database: Some(url), data_dir: None, migrate: MigrateMode::Auto };
    let error = Store::connect(&config).await.expect_err("nobody listens");
    let OpenError::Store(Error::Unavailable(cause)) = error else { panic!("unavailable, not {error:?}") };
    assert!(cause.to_string().contains("refused"), "{cause}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_refused() {
    let database = Database::postgres().await;
    let mut config = database.config();
    let url = database.flags()[1].replace("tagates_test", "no_such_database");
    config.database = Some(url.parse().expect("a URL"));
    let error = Store::connect(&config).await.expect_err("no database");
    assert!(matches!(error, OpenError::Store(Error::Database(_))), "{error:?}");
}

#[tokio::test]
async fn connections_that_were_cut_are_replaced() {
    let database = Database::postgres().await;
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    let sent = observations(&task, &architectures(3));
    insert(&store, &task, &sent).await;
    assert!(database.number(CUT).await > 0);
    insert(&store, &task, &sent).await;
    assert_eq!(live(&store, &task).await.len(), 3);
}

#[tokio::test]
async fn a_listener_that_was_cut_off_listens_again() {
    let database = Database::postgres().await;
    let [store, other] = two(&database).await;
    let mut changes = other.listen();
    assert_heard(&mut changes, "that somebody listens").await;
    for name in ["one", "two"] {
        assert!(database.number(CUT).await > 0);
        assert_heard(&mut changes, "that somebody listens again").await;
        assert_told(&mut changes, "a task", async { drop(stored_task(&store, name).await) }).await;
    }
}
