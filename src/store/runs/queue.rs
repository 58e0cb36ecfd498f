//! How runs come into the queue, are taken from it and are called off.

use std::time::Duration;

use crate::domain::{Lease, RunId, RunState, TaskName, TrainingRun};
use crate::store::backend::{Connection, Transaction, on};
use crate::store::requests::{request_by_id, request_insert, requests_delete_expired};
use crate::store::runs::{KnownRun, errors_json, later, run_by_id};
use crate::store::tasks::KnownTask;
use crate::store::{Error, RequestKey, Store, postgres, sqlite};

/// What became of a run that was to be queued.
#[derive(Clone, Debug, PartialEq)]
pub enum Enqueued {
    /// It is there now, or was made by the same request before.
    New(TrainingRun),
    /// The task has an unfinished run already; nothing changed.
    AlreadyUnfinished(TrainingRun),
    /// The request id came before with another body.
    RequestReused,
}

/// A run to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedRun {
    /// The run, whose `up_to` is set.
    pub run: TrainingRun,
    /// The right to.
    pub lease: Lease,
    /// What to resume from, where somebody has stored it.
    pub resume_state: Option<Vec<u8>>,
}

impl Store {
    /// Queues a run of a task. `why` is for people: `requested`, or the reason of the policy. Sent again with
    /// the same request, it is the run that was queued then, whatever became of it.
    ///
    /// # Errors
    /// When the task is unknown or archived, or the database fails.
    pub async fn run_enqueue(
        &self,
        task: &TaskName,
        why: &str,
        request: Option<&RequestKey>,
    ) -> Result<Enqueued, Error> {
        let mut tx = self.begin().await?;
        // The same request, sent twice at once, waits here for the first.
        let known = KnownTask::lock(&mut tx, task).await?;
        let now = tx.connection().now().await?;
        if let Some(request) = request {
            requests_delete_expired(tx.connection(), now).await?;
            if let Some(before) = request_by_id(tx.connection(), &request.id).await? {
                let Some(run) = before.run_id.filter(|_| before.body_digest == request.digest) else {
                    return Ok(Enqueued::RequestReused);
                };
                return Ok(Enqueued::New(existing(tx.connection(), RunId(run)).await?.run));
            }
        }
        if known.task.archived_at.is_some() {
            return Err(Error::Archived(task.clone()));
        }
        if let Some(run) = run_unfinished(tx.connection(), &known).await? {
            return Ok(Enqueued::AlreadyUnfinished(existing(tx.connection(), run).await?.run));
        }
        let run = run_insert(tx.connection(), &known, why, now).await?;
        if let Some(request) = request
            && !request_insert(tx.connection(), request, task.as_str(), Some(run), now).await?
        {
            // It created something else since it was looked for.
            tx.rollback().await?;
            return Ok(Enqueued::RequestReused);
        }
        let queued = existing(tx.connection(), run).await?;
        self.commit_and_tell(tx).await?;
        Ok(Enqueued::New(queued.run))
    }

    /// Takes up the oldest run that is queued and not backing off, or whose lease ran out, for the time of
    /// `lease` by the database's clock. `None` where there is nothing to do. Nobody else gets the same run.
    ///
    /// A lease that ran out counts as an attempt unless a resume state was stored under it; a run with
    /// `max_attempts` of them is failed instead, with its errors kept. One that was to be cancelled is.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn run_claim(&self, lease: Duration, max_attempts: u32) -> Result<Option<ClaimedRun>, Error> {
        // Each turn ends a run that nobody will work on any more, or is the last.
        loop {
            let mut tx = self.begin().await?;
            let now = tx.connection().now().await?;
            let Some(run) = run_claimable(tx.connection(), now).await? else { return Ok(None) };
            let mut known = existing(tx.connection(), run).await?;
            if let Some(state) = over(&mut known, max_attempts, now) {
                known.end(&mut tx, state, None, now).await?;
                self.commit_and_tell(tx).await?;
                continue;
            }
            let token = tx.connection().token().await?;
            if !run_claim(tx.connection(), &known, &token, now, later(now, lease)).await? {
                // Somebody else was first.
                tx.rollback().await?;
                continue;
            }
            let claimed = ClaimedRun {
                run: existing(tx.connection(), run).await?.run,
                lease: Lease { run, token },
                resume_state: run_state_by_id(tx.connection(), run).await?,
            };
            self.commit_and_tell(tx).await?;
            return Ok(Some(claimed));
        }
    }

    /// Cancels a run: at once where nobody works on it, else it is asked to stop (see
    /// [`Heartbeat`](crate::store::Heartbeat)) and makes no version any more. Again, or of a run that is over,
    /// it changes nothing. `None` where there is no such run.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn run_cancel(&self, run: RunId) -> Result<Option<TrainingRun>, Error> {
        let mut tx = self.begin().await?;
        let Some(known) = KnownRun::lock(&mut tx, run).await? else { return Ok(None) };
        let now = tx.connection().now().await?;
        cancel(&mut tx, &known, now).await?;
        let cancelled = existing(tx.connection(), run).await?;
        self.commit_and_tell(tx).await?;
        Ok(Some(cancelled.run))
    }
}

/// Cancels the unfinished run of a task, if there is one.
pub(in crate::store) async fn cancel_unfinished(
    tx: &mut Transaction,
    task: &KnownTask,
    now: i64,
) -> Result<(), Error> {
    if let Some(run) = run_unfinished(tx.connection(), task).await?
        && let Some(known) = KnownRun::lock(tx, run).await?
    {
        cancel(tx, &known, now).await?;
    }
    Ok(())
}

async fn cancel(tx: &mut Transaction, known: &KnownRun, now: i64) -> Result<(), Error> {
    let is_worked_on = known.run.lease_expires_at.is_some_and(|until| until.unix_micros > now);
    if known.run.state.is_final() {
        Ok(())
    } else if is_worked_on {
        run_cancel_request(tx.connection(), known.run.id).await
    } else {
        known.end(tx, RunState::Cancelled, None, now).await.map(drop)
    }
}

/// How a run ends that could be claimed but for its past; `None` where it can. An attempt that led nowhere is
/// counted.
fn over(known: &mut KnownRun, max_attempts: u32, now: i64) -> Option<RunState> {
    if known.run.is_cancel_requested {
        return Some(RunState::Cancelled);
    }
    let was_lost = known.run.state == RunState::Running;
    if was_lost && !known.has_newer_state {
        known.count_attempt("lease ran out, and no resume state was stored under it", now);
    }
    (was_lost && known.run.n_attempts >= max_attempts).then_some(RunState::Failed)
}

/// Runs are never deleted.
async fn existing(connection: Connection<'_>, run: RunId) -> Result<KnownRun, Error> {
    let found = run_by_id(connection, run).await?;
    found.ok_or_else(|| Error::corrupt(format!("training run {run}"), "it is gone"))
}

async fn run_unfinished(connection: Connection<'_>, task: &KnownTask) -> Result<Option<RunId>, Error> {
    const RUN_UNFINISHED: &str =
        "SELECT run_id FROM training_runs WHERE task_id = $1 AND state IN ('queued', 'running')";
    let run: Option<i64> = on!(connection, |connection| {
        sqlx::query_scalar(RUN_UNFINISHED).bind(task.id).fetch_optional(connection).await
    })?;
    Ok(run.map(RunId))
}

async fn run_insert(
    connection: Connection<'_>,
    task: &KnownTask,
    why: &str,
    now: i64,
) -> Result<RunId, Error> {
    const RUN_INSERT: &str = "
        INSERT INTO training_runs (task_id, why, not_before, created_at)
        VALUES ($1, $2, $3, $3)
        RETURNING run_id";
    let run = on!(connection, |connection| {
        sqlx::query_scalar(RUN_INSERT).bind(task.id).bind(why).bind(now).fetch_one(connection).await
    })?;
    Ok(RunId(run))
}

async fn run_claimable(connection: Connection<'_>, now: i64) -> Result<Option<RunId>, Error> {
    let claimable = connection.choose(sqlite::CLAIMABLE, postgres::CLAIMABLE);
    let run: Option<i64> = on!(connection, |connection| {
        sqlx::query_scalar(claimable).bind(now).fetch_optional(connection).await
    })?;
    Ok(run.map(RunId))
}

/// Whether the run was still as it had been read.
async fn run_claim(
    connection: Connection<'_>,
    known: &KnownRun,
    token: &str,
    now: i64,
    expires_at: i64,
) -> Result<bool, Error> {
    const RUN_CLAIM: &str = "
        UPDATE training_runs
        SET state = 'running',
            lease_token = $2,
            heartbeat_at = $3,
            lease_expires_at = $4,
            has_newer_state = FALSE,
            n_attempts = $5,
            errors = $6,
            started_at = COALESCE(started_at, $3),
            up_to = COALESCE(
                up_to,
                (SELECT last_sequence FROM tasks WHERE tasks.task_id = training_runs.task_id)
            )
        WHERE run_id = $1 AND lease_token IS NOT DISTINCT FROM $7 AND finished_at IS NULL";
    let n_changed = on!(connection, |connection| {
        sqlx::query(RUN_CLAIM)
            .bind(known.run.id.0)
            .bind(token)
            .bind(now)
            .bind(expires_at)
            .bind(i64::from(known.run.n_attempts))
            .bind(errors_json(&known.run.errors))
            .bind(&known.token)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_changed == 1)
}

async fn run_cancel_request(connection: Connection<'_>, run: RunId) -> Result<(), Error> {
    const RUN_CANCEL_REQUEST: &str = "UPDATE training_runs SET is_cancel_requested = TRUE WHERE run_id = $1";
    on!(connection, |connection| {
        sqlx::query(RUN_CANCEL_REQUEST).bind(run.0).execute(connection).await.map(drop)
    })?;
    Ok(())
}

async fn run_state_by_id(connection: Connection<'_>, run: RunId) -> Result<Option<Vec<u8>>, Error> {
    const RUN_STATE_BY_ID: &str = "SELECT bytes FROM training_run_states WHERE run_id = $1";
    Ok(on!(connection, |connection| {
        sqlx::query_scalar(RUN_STATE_BY_ID).bind(run.0).fetch_optional(connection).await
    })?)
}
