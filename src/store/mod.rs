//! What is kept: search spaces, tasks, observations, model versions and their checkpoints, measured saliencies, on
//! PostgreSQL or on an embedded SQLite file, behind one contract.
//!
//! This room knows SQL, migrations and transactions. It knows nothing of tensors, queues or the wire.
//!
//! The SQL is one text for both databases wherever both take it. Each change is one transaction; a change
//! of a task's observations first takes the task for itself, so that numbers are given without gaps and
//! become visible in their order. Runs and
//! champions change under the locks of their rows. Every call can be repeated when nobody knows whether it succeeded.

mod architectures;
mod backend;
mod champions;
mod changes;
mod config;
mod error;
mod migration;
mod model_versions;
mod observations;
mod pages;
mod postgres;
mod recording;
mod requests;
mod retractions;
mod runs;
mod saliencies;
mod search_spaces;
mod sqlite;
mod tasks;

use std::fmt;

pub use champions::{Promoted, RolledBack};
pub use changes::Changes;
pub use config::{Config, DatabaseUrl, DatabaseUrlError, MigrateMode};
pub use error::{Cause, Error, OpenError};
pub use migration::Schema;
pub use model_versions::VersionInserted;
pub use runs::{ClaimedRun, Enqueued, Fenced, Finish, Heartbeat, NewVersion, Promote};

use crate::domain::{Recorded, Retraction, Sequence, StoredTask, Timestamp};
use crate::store::backend::{Backend, Reader, Transaction};

/// Where everything is kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    database: Backend<sqlite::Database, postgres::Database>,
}

/// What a creating call is known by when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// As the client chose it.
    pub id: String,
    /// Of the body it came with.
    pub digest: [u8; 32],
}

/// What became of a task that was to be created.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per task that is created, and it is soon taken apart"
)]
pub enum TaskInserted {
    /// It is there now, or was made by the same request before.
    Created(StoredTask),
    /// Another task has the name.
    NameTaken,
    /// The request id came before with another body.
    RequestReused,
}

/// What became of a search space that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchSpaceCreated {
    /// It is there now.
    New,
    /// The very same was there before.
    Same,
    /// Another one has the name.
    NameTaken,
    /// The request id came before with another body.
    RequestReused,
}

/// What became of a retraction that was to be undone.
#[derive(Clone, Debug)]
pub struct Undone {
    /// The retraction, undone now or before.
    pub retraction: Retraction,
    /// What became of each observation it had taken back, by its old number; empty where it was undone before.
    pub recorded: Vec<(Sequence, Recorded)>,
}

impl Store {
    /// Opens the database that the configuration names. Its schema is as it was: see [`Store::migrate`].
    ///
    /// # Errors
    /// [`OpenError::Store`] with [`Error::Unavailable`] where the server does not answer (yet); otherwise
    /// when the data directory cannot be used or is in use, or the server is too old.
    pub async fn connect(config: &Config) -> Result<Self, OpenError> {
        let database = match &config.database {
            Some(url) => Backend::Postgres(postgres::Database::open(url).await?),
            None => Backend::Sqlite(sqlite::Database::open(&config.data_dir()?).await?),
        };
        Ok(Self { database })
    }

    /// Brings the schema to what this binary needs, or only sees whether it is. Several processes may do so
    /// at once.
    ///
    /// # Errors
    /// When migrations are due that may not be run here, the schema is too new for this binary, a migration
    /// that ran reads otherwise here, or the database fails.
    pub async fn migrate(&self, mode: MigrateMode) -> Result<Schema, OpenError> {
        let mut connection = match &self.database {
            Backend::Sqlite(database) => {
                Backend::Sqlite(database.writer.acquire().await.map_err(Error::from)?)
            }
            Backend::Postgres(database) => {
                let mut connection = database.pool.acquire().await.map_err(Error::from)?;
                // Its end gives back the lock of a migration that failed.
                connection.close_on_drop();
                Backend::Postgres(connection)
            }
        };
        migration::migrate(connection.connection(), mode).await
    }

    /// The database's clock, by which all its times are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn now(&self) -> Result<Timestamp, Error> {
        let unix_micros = self.reader().await?.connection().now().await?;
        Ok(Timestamp { unix_micros })
    }

    async fn reader(&self) -> Result<Reader, Error> {
        Ok(match &self.database {
            Backend::Sqlite(database) => Backend::Sqlite(database.readers.acquire().await?),
            Backend::Postgres(database) => Backend::Postgres(database.pool.acquire().await?),
        })
    }

    async fn begin(&self) -> Result<Transaction, Error> {
        Ok(match &self.database {
            Backend::Sqlite(database) => Backend::Sqlite(database.begin().await?),
            Backend::Postgres(database) => Backend::Postgres(database.begin().await?),
        })
    }

    /// Makes changes last that others wait for, and tells them.
    async fn commit_and_tell(&self, mut tx: Transaction) -> Result<(), Error> {
        if let Backend::Postgres(tx) = &mut tx {
            // The server passes it on when the transaction is committed.
            sqlx::query(postgres::NOTIFY).bind(postgres::CHANNEL).execute(&mut **tx).await?;
        }
        tx.commit().await?;
        if let Backend::Sqlite(database) = &self.database {
            database.news.send_replace(());
        }
        Ok(())
    }
}

/// Where it is, for people: the file, or the server without its password.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Backend::Sqlite(database) => write!(f, "SQLite file {}", database.path().display()),
            Backend::Postgres(database) => database.url().fmt(f),
        }
    }
}
