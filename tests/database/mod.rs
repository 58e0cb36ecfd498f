//! Databases for tests: a new and empty one for each, of either kind, gone when the test is over.
//!
//! PostgreSQL is the one `DATABASE_URL` names. Where it is unset, each process of tests runs a server of
//! its own; where that cannot be, tests fail and say what to install.

mod postgres;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process, thread};

use sqlx::migrate::{Migrate, Migration, MigrationType};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqlSafeStr, SqliteConnection};
use tagates::store::{Config, MigrateMode, Store};
use tempfile::TempDir;

pub use postgres::Postgres;

/// Where Linux has a file system in memory.
const IN_MEMORY: &str = "/dev/shm";

/// A database that nobody else uses, without any tables at first.
pub struct Database {
    kind: Kind,
}

enum Kind {
    Sqlite { data_dir: TempDir },
    Postgres { server: &'static str, name: String },
}

impl Database {
    /// A folder for an SQLite file.
    pub fn sqlite() -> Self {
        Self { kind: Kind::Sqlite { data_dir: TempDir::new().expect("a temporary folder") } }
    }

    /// The same, on a file system in memory where there is one.
    pub fn sqlite_in_memory() -> Self {
        let data_dir = match Path::new(IN_MEMORY) {
            in_memory if in_memory.is_dir() => TempDir::new_in(in_memory),
            _ => TempDir::new(),
        };
        Self { kind: Kind::Sqlite { data_dir: data_dir.expect("a temporary folder") } }
    }

    /// A database on the PostgreSQL of the tests.
    pub async fn postgres() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let name = format!("tagates_test_{}_{}", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        execute_on(server, &format!("CREATE DATABASE {name}")).await;
        Self { kind: Kind::Postgres { server, name } }
    }

    /// How a store is told to use it.
    pub fn config(&self) -> Config {
        let (database, data_dir) = match &self.kind {
            Kind::Sqlite { data_dir } => (None, Some(data_dir.path().to_owned())),
            Kind::Postgres { server, name } => {
                (Some(url(server, name).parse().expect("the URL of a PostgreSQL")), None)
            }
        };
        Config { database, data_dir, migrate: MigrateMode::Auto }
    }

    /// The flags that say the same on the command line.
    pub fn flags(&self) -> [String; 2] {
        match &self.kind {
            Kind::Sqlite { data_dir } => ["--data-dir".to_owned(), data_dir.path().display().to_string()],
            Kind::Postgres { server, name } => ["--database".to_owned(), url(server, name)],
        }
    }

    /// A store on it, its tables as they are.
    pub async fn connect(&self) -> Store {
        Store::connect(&self.config()).await.expect("a database to connect to")
    }

    /// A store on it that is ready to be used.
    pub async fn store(&self) -> Store {
        let store = self.connect().await;
        store.migrate(MigrateMode::Auto).await.expect("a database that can be migrated");
        store
    }

    /// Brings the schema to where it was first.
    pub async fn migrate_to_first(&self) {
        match &self.kind {
            Kind::Sqlite { .. } => {
                let sql = include_str!("../../migrations/sqlite/0001_tasks_and_observations.sql");
                apply(&mut self.sqlite_connection().await.expect("a connection"), sql).await;
            }
            Kind::Postgres { server, name } => {
                let sql = include_str!("../../migrations/postgres/0001_tasks_and_observations.sql");
                apply(&mut PgConnection::connect(&url(server, name)).await.expect("a connection"), sql).await;
            }
        }
    }

    /// Runs statements past the store.
    pub async fn execute(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let done = match &self.kind {
            Kind::Sqlite { .. } => {
                let mut connection = self.sqlite_connection().await?;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?.rows_affected()
            }
            Kind::Postgres { server, name } => {
                let mut connection = PgConnection::connect(&url(server, name)).await?;
                sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?.rows_affected()
            }
        };
        Ok(done)
    }

    /// The number that a query past the store answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let answer = match &self.kind {
            Kind::Sqlite { .. } => {
                let mut connection = self.sqlite_connection().await.expect("a connection");
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await
            }
            Kind::Postgres { server, name } => {
                let mut connection = PgConnection::connect(&url(server, name)).await.expect("a connection");
                sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await
            }
        };
        answer.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Breaks every connection to the server. SQLite has none: there it does nothing.
    pub async fn disconnect_all(&self) {
        if let Kind::Postgres { .. } = &self.kind {
            let others = "SELECT pg_terminate_backend(pid)
                FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            self.execute(others).await.expect("a server that answers");
        }
    }

    /// Whether it is a file, which one process has for itself.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::Sqlite { .. })
    }

    async fn sqlite_connection(&self) -> Result<SqliteConnection, sqlx::Error> {
        let Kind::Sqlite { data_dir } = &self.kind else { panic!("no SQLite") };
        SqliteConnectOptions::new().filename(data_dir.path().join("tagates.sqlite")).connect().await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Kind::Postgres { server, name } = &self.kind {
            let (server, sql) = (*server, format!("DROP DATABASE {name} WITH (FORCE)"));
            // Waiting in a runtime needs another thread.
            let dropping = thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(execute_on(server, &sql));
            });
            let is_dropped = dropping.join().is_ok();
            assert!(is_dropped || thread::panicking(), "the test's database could not be dropped");
        }
    }
}

/// Applies the first migration.
async fn apply(connection: &mut impl Migrate, sql: &'static str) {
    const TABLE: &str = "_sqlx_migrations";
    let about = "tasks and observations".into();
    let first = Migration::new(1, about, MigrationType::Simple, sql.into_sql_str(), false);
    connection.ensure_migrations_table(TABLE).await.expect("a table of migrations");
    connection.apply(TABLE, &first).await.expect("the first migration");
}

/// The URL of the database of that name on the server.
fn url(server: &str, name: &str) -> String {
    let options: PgConnectOptions = server.parse().expect("DATABASE_URL is the URL of a PostgreSQL");
    options.database(name).to_url_lossy().to_string()
}

async fn execute_on(server: &str, sql: &str) {
    let mut connection = PgConnection::connect(server).await.expect("the PostgreSQL of the tests answers");
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    connection.close().await.expect("a connection that closes");
}

/// The URL of the server that this process uses.
fn server() -> &'static str {
    static SERVER: OnceLock<(String, Option<Postgres>)> = OnceLock::new();
    let (url, _running) = SERVER.get_or_init(|| {
        if let Ok(url) = env::var("DATABASE_URL") {
            return (url, None);
        }
        let server = Postgres::start(&[]);
        (server.url("postgres"), Some(server))
    });
    url
}
