//! Why the store did not do what was asked.

use std::io;
use std::path::PathBuf;

use crate::domain::{Sequence, TaskName};
use crate::store::{postgres, sqlite};

/// What stands behind an error, for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or is too busy: the same call may succeed later. Whether what was
    /// asked for happened is unknown; every call of the store can be repeated.
    #[error("database is not reachable")]
    Unavailable(#[source] Cause),
    /// The database refused. Repeating the call does not help.
    #[error("database refused")]
    Database(#[source] Cause),
    /// What is stored is not what was, or could have been, stored.
    #[error("stored {what} cannot be read")]
    Corrupt {
        /// As `task nasbench201-cifar10`.
        what: String,
        /// What is wrong with it.
        source: Cause,
    },
    /// There is no such task.
    #[error("task {0} is not known")]
    UnknownTask(TaskName),
    /// The task takes nothing new, retractions included.
    #[error("task {0} is archived")]
    Archived(TaskName),
    /// A retraction without any condition, which would take back everything.
    #[error("a retraction needs a condition: numbers, a source or a time")]
    EmptyFilter,
    /// A snapshot up to a number that is not given yet: it could still change.
    #[error("task {task} is at number {last}, before {up_to}")]
    SnapshotAhead {
        /// The task.
        task: TaskName,
        /// What was asked for.
        up_to: Sequence,
        /// The last number given.
        last: Sequence,
    },
}

/// Why the store could not be opened, or its schema not be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database did not do what was asked: where it is [`Error::Unavailable`], it may later.
    #[error(transparent)]
    Store(#[from] Error),
    /// Nobody says where files go.
    #[error("there is no home directory to keep data in: say where (--data-dir)")]
    NoDataDir,
    /// The data directory cannot be written.
    #[error("data directory {} cannot be used (--data-dir)", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process keeps its data there.
    #[error("data directory {} is in use by process {process}: stop it or use another one (--data-dir)", path.display())]
    DataDirInUse {
        /// The directory.
        path: PathBuf,
        /// The id of the process, as it left it there.
        process: String,
    },
    /// A server that lacks what the queries need.
    #[error("database server is PostgreSQL {found}, {needed} or newer is needed (--database)")]
    OldServer {
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: u32,
    },
    /// Migrations are due and nobody allowed them.
    #[error(
        "database schema is at version {}, this binary needs {binary}: run `tagates migrate` or start with \
         --migrate auto", version_or_none(*.schema)
    )]
    MigrationsPending {
        /// What is applied; nothing at all where `None`.
        schema: Option<i64>,
        /// The newest this binary knows.
        binary: i64,
    },
    /// A newer binary has taken away what this one needs.
    #[error(
        "database schema is at version {schema} and serves binaries from version {lowest} on, this binary is at \
         {binary}: run a newer one"
    )]
    SchemaTooNew {
        /// What is applied.
        schema: i64,
        /// The oldest binary it serves.
        lowest: i64,
        /// The newest migration this binary knows.
        binary: i64,
    },
    /// A migration ran that reads otherwise in this binary.
    #[error("migration {0} was applied to the database with another text than this binary has")]
    MigrationChanged(i64),
    /// A migration stopped half way.
    #[error("migration {0} was applied to the database only in part: it needs repair by hand")]
    MigrationUnfinished(i64),
}

fn version_or_none(version: Option<i64>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| version.to_string())
}

impl Error {
    /// What is stored cannot be understood.
    pub(in crate::store) fn corrupt(what: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self::Corrupt { what: what.into(), source: source.into() }
    }
}

/// The one place that tells what may pass from what will not.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let is_transient = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            // A connection that died while a transaction began.
            | sqlx::Error::BeginFailed => true,
            sqlx::Error::Database(error) => {
                let code = error.code().unwrap_or_default();
                if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
                    postgres::is_transient(&code)
                } else {
                    sqlite::is_transient(&code)
                }
            }
            _ => false,
        };
        match error {
            error if is_transient => Self::Unavailable(error.into()),
            error @ (sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_)) => {
                Self::corrupt("row", error)
            }
            error => Self::Database(error.into()),
        }
    }
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
