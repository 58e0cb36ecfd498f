//! What only PostgreSQL does in its way: a server of some version, many writers that lock rows, a clock
//! that runs on within a transaction.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::time;

use crate::store::{DatabaseUrl, Error, OpenError};

/// Microseconds since the Unix epoch: now, not when the transaction began, which may be long before it got
/// its turn.
pub(in crate::store) const NOW: &str =
    "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// Whether the table exists.
pub(in crate::store) const TABLE_EXISTS: &str = "SELECT to_regclass($1) IS NOT NULL";

/// Makes others that would change the task wait for the end of this transaction; rows that refer to it can
/// still be written.
pub(in crate::store) const TASK_LOCK: &str = "SELECT task_id FROM tasks WHERE name = $1 FOR NO KEY UPDATE";

/// The same of a run.
pub(in crate::store) const RUN_LOCK: &str =
    "SELECT run_id FROM training_runs WHERE run_id = $1 FOR NO KEY UPDATE";

/// The oldest run to be taken up at the time `$1`, locked. Those that others just look at or change are passed over.
pub(in crate::store) const CLAIMABLE: &str = "
    SELECT run_id
    FROM training_runs
    WHERE (state = 'queued' AND not_before <= $1) OR (state = 'running' AND lease_expires_at <= $1)
    ORDER BY run_id
    LIMIT 1
    FOR NO KEY UPDATE SKIP LOCKED";

/// Makes others that would store or drop the checkpoints of a task's versions wait.
pub(in crate::store) const CHECKPOINTS_LOCK: &str = "
    SELECT digest
    FROM checkpoints
    WHERE digest IN (SELECT digest FROM model_versions WHERE task_id = $1)
    ORDER BY digest
    FOR NO KEY UPDATE";

/// A text that nobody can guess.
pub(in crate::store) const TOKEN: &str = "SELECT replace(CAST(gen_random_uuid() AS TEXT), '-', '')";

/// Tells whoever listens on the channel `$1` when the transaction is committed.
pub(in crate::store) const NOTIFY: &str = "SELECT pg_notify($1, '')";

/// Where those listen who wait for changes.
pub(in crate::store) const CHANNEL: &str = "tagates_changes";

/// Joins keys that were sent with the live observations that have them. The limit has each looked up by
/// itself: as long as there are no statistics of a table that was just filled, a plain join reads the task
/// from end to end.
pub(in crate::store) const LIVE_OF_SENT: &str = "
    JOIN LATERAL (
        SELECT *
        FROM observations
        WHERE observations.task_id = sent.task_id
          AND observations.architecture_id = sent.architecture_id
          AND observations.budget = sent.budget
          AND observations.seed = sent.seed
          AND observations.source = sent.source
          AND observations.retracted_by IS NULL
        LIMIT 1
    ) AS live ON TRUE";

/// The oldest major version the tests are meant for.
const OLDEST: u32 = 13;
const N_CONNECTIONS: u32 = 16;
pub(in crate::store) const PATIENCE: Duration = Duration::from_secs(5);

/// A database of a PostgreSQL server.
#[derive(Clone, Debug)]
pub(in crate::store) struct Database {
    url: DatabaseUrl,
    pub pool: PgPool,
}

impl Database {
    /// Connects once, to see that the server is there and new enough.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let options = options(url);
        // Not from the pool: it would try again for as long as its patience, and not say what was wrong.
        let connecting = time::timeout(PATIENCE, PgConnection::connect_with(&options));
        let connection = connecting.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
        check_version(connection.server_version_num())?;
        connection.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(N_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options);
        Ok(Self { url: url.clone(), pool })
    }

    /// Begins a change.
    pub async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, Error> {
        Ok(self.pool.begin().await?)
    }

    /// The database, without its password.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }
}

/// How connections to it are made.
pub(in crate::store) fn options(url: &DatabaseUrl) -> PgConnectOptions {
    url.options().clone().application_name("tagates")
}

/// `version` as in `server_version_num`: 150004 is 15.4.
fn check_version(version: Option<u32>) -> Result<(), OpenError> {
    match version {
        Some(version) if version / 10_000 < OLDEST => {
            let found = format!("{}.{}", version / 10_000, version % 10_000);
            Err(OpenError::OldServer { found, needed: OLDEST })
        }
        // A server that does not say is a fork that knows better.
        Some(_) | None => Ok(()),
    }
}

/// Whether an error of this SQLSTATE may be gone the next time.
pub(in crate::store) fn is_transient(code: &str) -> bool {
    code.starts_with("08") // The connection failed.
        || code.starts_with("57P") // The server is shutting down, has crashed or is starting.
        || matches!(
            code,
            "53300" // Too many connections.
                | "40001" // Two transactions could not be put in an order,
                | "40P01" // or waited for each other.
                | "25006" // A standby that was the primary, or will be.
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_are_too_old_are_named() {
        check_version(Some(130_000)).expect("13 will do");
        check_version(Some(180_001)).expect("18 will do");
        let error = check_version(Some(120_017)).expect_err("12 is too old").to_string();
        assert!(error.contains("PostgreSQL 12.17") && error.contains("13 or newer"), "{error}");
    }

    #[test]
    fn a_server_that_stops_may_come_back_and_a_broken_constraint_stays() {
        for code in ["57P01", "57P02", "57P03", "08006", "53300", "40001", "40P01"] {
            assert!(is_transient(code), "{code}");
        }
        for code in ["23505", "42P01", "57014", "53100"] {
            assert!(!is_transient(code), "{code}");
        }
    }
}
