//! What only SQLite does in its way: a file in a directory that one process has for itself, one writer, a
//! clock in milliseconds.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::watch;

use crate::store::{Error, OpenError};

/// Microseconds since the Unix epoch.
pub(in crate::store) const NOW: &str = "SELECT CAST(unixepoch('subsec') * 1000000 AS INTEGER)";

/// Whether the table exists.
pub(in crate::store) const TABLE_EXISTS: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = $1)";

/// The oldest run to be taken up at the time `$1`.
pub(in crate::store) const CLAIMABLE: &str = "
    SELECT run_id
    FROM training_runs
    WHERE (state = 'queued' AND not_before <= $1) OR (state = 'running' AND lease_expires_at <= $1)
    ORDER BY run_id
    LIMIT 1";

/// A text that nobody can guess.
pub(in crate::store) const TOKEN: &str = "SELECT lower(hex(randomblob(16)))";

/// Joins keys that were sent with the live observations that have them.
pub(in crate::store) const LIVE_OF_SENT: &str = "
    JOIN observations AS live
      ON live.task_id = sent.task_id
     AND live.architecture_id = sent.architecture_id
     AND live.budget = sent.budget
     AND live.seed = sent.seed
     AND live.source = sent.source
     AND live.retracted_by IS NULL";

const FILE_NAME: &str = "tagates.sqlite";
const LOCK_NAME: &str = "tagates.lock";
const N_READERS: u32 = 4;

/// How long a call waits for its turn to write, or for a foreign program that has the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// An SQLite file, one connection to write it and a few to read it.
#[derive(Clone, Debug)]
pub(in crate::store) struct Database {
    path: PathBuf,
    pub writer: SqlitePool,
    pub readers: SqlitePool,
    /// Told of each change that others wait for: they are all in this process.
    pub news: Arc<watch::Sender<()>>,
    /// Held as long as anybody can use the file.
    _lock: Arc<File>,
}

impl Database {
    /// Opens the file in `data_dir`, both of which are made if they are not there.
    pub async fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let unusable = |source| OpenError::DataDir { path: data_dir.to_owned(), source };
        fs::create_dir_all(data_dir).map_err(unusable)?;
        let lock = lock(data_dir)?;
        let path = data_dir.join(FILE_NAME);
        // SQLite would open a file that it may not write, and fail at the first change.
        OpenOptions::new().append(true).create(true).open(&path).map_err(unusable)?;

        let options = SqliteConnectOptions::new().filename(&path).busy_timeout(PATIENCE).foreign_keys(true);
        let pool =
            || SqlitePoolOptions::new().acquire_timeout(PATIENCE).idle_timeout(None).max_lifetime(None);
        let writer = pool()
            .max_connections(1)
            .connect_with(
                options
                    .clone()
                    .journal_mode(SqliteJournalMode::Wal)
                    // Each commit reaches the disk: what was acknowledged survives a loss of power too.
                    .synchronous(SqliteSynchronous::Full),
            )
            .await?;
        let readers = pool()
            .max_connections(N_READERS)
            .connect_lazy_with(options.pragma("query_only", "TRUE").row_buffer_size(1_024));
        Ok(Self { path, writer, readers, news: Arc::default(), _lock: Arc::new(lock) })
    }

    /// Begins a change. It has the right to write from the start, so it cannot fail half way for want of it.
    pub async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, Error> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the directory for this process. The system lets go of it when the process ends, however it does.
fn lock(data_dir: &Path) -> Result<File, OpenError> {
    let unusable = |source| OpenError::DataDir { path: data_dir.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(data_dir.join(LOCK_NAME))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {
            sign(&mut file).map_err(unusable)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut process = String::new();
            file.read_to_string(&mut process).map_err(unusable)?;
            Err(OpenError::DataDirInUse { path: data_dir.to_owned(), process: process.trim().to_owned() })
        }
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// Leaves this process's id for whoever finds the directory locked.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", process::id())
}

/// Whether an error of this (extended) code may be gone the next time.
pub(in crate::store) fn is_transient(code: &str) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    // The low byte is the kind, the rest says more about it.
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, BUSY | LOCKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_file_may_be_free_later_and_a_full_disk_not() {
        assert!(is_transient("5"));
        assert!(is_transient("517")); // SQLITE_BUSY_SNAPSHOT
        assert!(!is_transient("13")); // SQLITE_FULL
        assert!(!is_transient("1555")); // SQLITE_CONSTRAINT_PRIMARYKEY
    }
}
