//! Training runs, which are also the queue of the work to be done.
//!
//! Whoever changes a run first locks its row. Where the task is locked too, it is locked before.

mod finish;
mod leased;
mod queue;

use std::time::Duration;

pub use finish::{Finish, NewVersion, Promote};
pub use leased::{Fenced, Heartbeat};
pub(in crate::store) use queue::cancel_unfinished;
pub use queue::{ClaimedRun, Enqueued};
use serde::{Deserialize, Serialize};

use crate::domain::{
    Lease, ModelVersionId, RunError, RunId, RunState, Sequence, TaskName, Timestamp, TrainingRun,
};
use crate::store::backend::{Backend, Connection, Transaction, on, row};
use crate::store::error::Cause;
use crate::store::tasks::json;
use crate::store::{Error, Store, postgres};

/// A query of runs: the columns of a [`RunRow`], and which.
macro_rules! select_runs {
    ($which:literal) => {
        concat!(
            "SELECT run_id,
                    name,
                    state,
                    why,
                    up_to,
                    n_attempts,
                    lease_token,
                    lease_expires_at,
                    heartbeat_at,
                    not_before,
                    has_newer_state,
                    is_cancel_requested,
                    progress,
                    errors,
                    version,
                    training_runs.created_at,
                    started_at,
                    finished_at
             FROM training_runs
             JOIN tasks ON tasks.task_id = training_runs.task_id ",
            $which
        )
    };
}

impl Store {
    /// The run of that number.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn run_by_id(&self, run: RunId) -> Result<Option<TrainingRun>, Error> {
        let found = run_by_id(self.reader().await?.connection(), run).await?;
        Ok(found.map(|known| known.run))
    }

    /// Up to `limit` runs, of one task or of all, the newest first: those older than `after`.
    ///
    /// # Errors
    /// When the database fails or a row cannot be read.
    pub async fn runs_page(
        &self,
        task: Option<&TaskName>,
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<TrainingRun>, Error> {
        let rows = runs_before(self.reader().await?.connection(), task, after, limit).await?;
        rows.into_iter().map(|row| KnownRun::try_from(row).map(|known| known.run)).collect()
    }

    /// The newest run of a task, whatever its state: the unfinished one where there is one. `None` where
    /// there was none yet, or there is no such task.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn last_run_of(&self, task: &TaskName) -> Result<Option<TrainingRun>, Error> {
        Ok(self.runs_page(Some(task), None, 1).await?.pop())
    }
}

/// A stored run, and what only the store knows of it.
#[derive(Debug)]
struct KnownRun {
    run: TrainingRun,
    /// Of the lease, while it runs.
    token: Option<String>,
    /// Whether a resume state was stored since the last claim.
    has_newer_state: bool,
}

impl KnownRun {
    /// The run, which nobody else changes until the transaction ends.
    async fn lock(tx: &mut Transaction, run: RunId) -> Result<Option<Self>, Error> {
        match tx.connection() {
            // A transaction is the only writer from its beginning.
            Backend::Sqlite(_) => {}
            Backend::Postgres(connection) => {
                sqlx::query(postgres::RUN_LOCK).bind(run.0).execute(connection).await?;
            }
        }
        run_by_id(tx.connection(), run).await
    }

    /// The same, if the lease is the one it runs under.
    async fn lock_held(tx: &mut Transaction, lease: &Lease) -> Result<Option<Self>, Error> {
        Ok(Self::lock(tx, lease.run).await?.filter(|known| known.is_held(lease)))
    }

    fn is_held(&self, lease: &Lease) -> bool {
        self.token.as_ref() == Some(&lease.token)
    }

    /// Counts an attempt that led nowhere.
    fn count_attempt(&mut self, message: &str, now: i64) {
        let at = Timestamp { unix_micros: now };
        self.run.errors.push(RunError { at, message: message.to_owned() });
        self.run.n_attempts += 1;
    }

    /// Puts the run back into the queue. Whether it was still as it had been read.
    async fn requeue(&self, connection: Connection<'_>, not_before: i64) -> Result<bool, Error> {
        run_requeue(connection, self, not_before).await
    }

    /// Ends the run. Whether it was still as it had been read.
    async fn end(
        &self,
        tx: &mut Transaction,
        state: RunState,
        version: Option<&ModelVersionId>,
        now: i64,
    ) -> Result<bool, Error> {
        run_state_delete(tx.connection(), self.run.id).await?;
        run_end(tx.connection(), self, state, version, now).await
    }
}

async fn run_by_id(connection: Connection<'_>, run: RunId) -> Result<Option<KnownRun>, Error> {
    const RUN_BY_ID: &str = select_runs!("WHERE run_id = $1");
    let row: Option<RunRow> = on!(connection, |connection| {
        sqlx::query_as(RUN_BY_ID).bind(run.0).fetch_optional(connection).await
    })?;
    row.map(KnownRun::try_from).transpose()
}

async fn runs_before(
    connection: Connection<'_>,
    task: Option<&TaskName>,
    before: Option<RunId>,
    limit: u32,
) -> Result<Vec<RunRow>, Error> {
    const RUNS_BEFORE: &str = select_runs!("WHERE run_id < $1 ORDER BY run_id DESC LIMIT $2");
    const RUNS_OF_TASK_BEFORE: &str =
        select_runs!("WHERE run_id < $1 AND name = $3 ORDER BY run_id DESC LIMIT $2");
    let before = before.map_or(i64::MAX, |run| run.0);
    Ok(on!(connection, |connection| {
        match task {
            Some(task) => {
                sqlx::query_as(RUNS_OF_TASK_BEFORE)
                    .bind(before)
                    .bind(i64::from(limit))
                    .bind(task.as_str())
                    .fetch_all(connection)
                    .await
            }
            None => {
                sqlx::query_as(RUNS_BEFORE).bind(before).bind(i64::from(limit)).fetch_all(connection).await
            }
        }
    })?)
}

async fn run_requeue(connection: Connection<'_>, known: &KnownRun, not_before: i64) -> Result<bool, Error> {
    const RUN_REQUEUE: &str = "
        UPDATE training_runs
        SET state = 'queued',
            lease_token = NULL,
            lease_expires_at = NULL,
            not_before = $3,
            n_attempts = $4,
            errors = $5
        WHERE run_id = $1 AND lease_token = $2";
    let n_changed = on!(connection, |connection| {
        sqlx::query(RUN_REQUEUE)
            .bind(known.run.id.0)
            .bind(&known.token)
            .bind(not_before)
            .bind(i64::from(known.run.n_attempts))
            .bind(errors_json(&known.run.errors))
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_changed == 1)
}

async fn run_end(
    connection: Connection<'_>,
    known: &KnownRun,
    state: RunState,
    version: Option<&ModelVersionId>,
    now: i64,
) -> Result<bool, Error> {
    const RUN_END: &str = "
        UPDATE training_runs
        SET state = $3,
            lease_token = NULL,
            lease_expires_at = NULL,
            version = $4,
            n_attempts = $5,
            errors = $6,
            finished_at = $7
        WHERE run_id = $1 AND lease_token IS NOT DISTINCT FROM $2 AND finished_at IS NULL";
    let n_changed = on!(connection, |connection| {
        sqlx::query(RUN_END)
            .bind(known.run.id.0)
            .bind(&known.token)
            .bind(state_text(state))
            .bind(version.map(|version| &version.0))
            .bind(i64::from(known.run.n_attempts))
            .bind(errors_json(&known.run.errors))
            .bind(now)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_changed == 1)
}

async fn run_state_delete(connection: Connection<'_>, run: RunId) -> Result<(), Error> {
    const RUN_STATE_DELETE: &str = "DELETE FROM training_run_states WHERE run_id = $1";
    on!(connection, |connection| {
        sqlx::query(RUN_STATE_DELETE).bind(run.0).execute(connection).await.map(drop)
    })?;
    Ok(())
}

row! {
    struct RunRow {
        run_id: i64,
        name: String,
        state: String,
        why: String,
        up_to: Option<i64>,
        n_attempts: i64,
        lease_token: Option<String>,
        lease_expires_at: Option<i64>,
        heartbeat_at: Option<i64>,
        not_before: i64,
        has_newer_state: bool,
        is_cancel_requested: bool,
        progress: Option<String>,
        errors: String,
        version: Option<String>,
        created_at: i64,
        started_at: Option<i64>,
        finished_at: Option<i64>,
    }
}

impl TryFrom<RunRow> for KnownRun {
    type Error = Error;

    fn try_from(row: RunRow) -> Result<Self, Error> {
        let what = format!("training run {}", row.run_id);
        row.known().map_err(|source| Error::corrupt(what, source))
    }
}

impl RunRow {
    fn known(self) -> Result<KnownRun, Cause> {
        let time = |unix_micros| Timestamp { unix_micros };
        let run = TrainingRun {
            id: RunId(self.run_id),
            task: TaskName::new(&self.name)?,
            state: state(&self.state)?,
            why: self.why,
            up_to: self.up_to.map(Sequence),
            n_attempts: self.n_attempts.try_into()?,
            lease_expires_at: self.lease_expires_at.map(time),
            heartbeat_at: self.heartbeat_at.map(time),
            not_before: time(self.not_before),
            is_cancel_requested: self.is_cancel_requested,
            progress: self.progress.map(|progress| serde_json::from_str(&progress)).transpose()?,
            errors: errors(&self.errors)?,
            version: self.version.map(ModelVersionId),
            created_at: time(self.created_at),
            started_at: self.started_at.map(time),
            finished_at: self.finished_at.map(time),
        };
        Ok(KnownRun { run, token: self.lease_token, has_newer_state: self.has_newer_state })
    }
}

/// An error as it is stored.
#[derive(Serialize, Deserialize)]
struct ErrorJson {
    at: i64,
    message: String,
}

fn errors_json(errors: &[RunError]) -> String {
    let stored = |error: &RunError| ErrorJson { at: error.at.unix_micros, message: error.message.clone() };
    json(&errors.iter().map(stored).collect::<Vec<_>>())
}

fn errors(text: &str) -> Result<Vec<RunError>, serde_json::Error> {
    let stored: Vec<ErrorJson> = serde_json::from_str(text)?;
    let error = |ErrorJson { at, message }| RunError { at: Timestamp { unix_micros: at }, message };
    Ok(stored.into_iter().map(error).collect())
}

fn state_text(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "queued",
        RunState::Running => "running",
        RunState::Succeeded => "succeeded",
        RunState::Failed => "failed",
        RunState::Cancelled => "cancelled",
    }
}

fn state(text: &str) -> Result<RunState, String> {
    match text {
        "queued" => Ok(RunState::Queued),
        "running" => Ok(RunState::Running),
        "succeeded" => Ok(RunState::Succeeded),
        "failed" => Ok(RunState::Failed),
        "cancelled" => Ok(RunState::Cancelled),
        _ => Err(format!("{text:?} is no state of a run")),
    }
}

/// The moment so much later.
fn later(now: i64, duration: Duration) -> i64 {
    now.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}
