//! What is written under the lease of a run.

use std::time::Duration;

use crate::domain::{Lease, Progress, RunState};
use crate::store::backend::{Connection, Transaction, on};
use crate::store::runs::{KnownRun, later};
use crate::store::tasks::json;
use crate::store::{Error, Store};

/// What became of something that was written under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fenced<T> {
    /// It is written.
    Held(T),
    /// The lease is somebody else's or the run is over. Nothing was written: stop.
    Lost,
}

/// What whoever works on a run learns when it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whether the run is to stop; then give it back with [`Store::run_release`].
    pub is_cancel_requested: bool,
}

impl Store {
    /// Holds a lease for the time of `duration` from now on, and says how far the run is where that is known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_heartbeat(
        &self,
        lease: &Lease,
        progress: Option<&Progress>,
        duration: Duration,
    ) -> Result<Fenced<Heartbeat>, Error> {
        let mut tx = self.begin().await?;
        let now = tx.connection().now().await?;
        let held = run_heartbeat(tx.connection(), lease, progress, now, later(now, duration)).await?;
        tx.commit().await?;
        Ok(match held {
            Some(is_cancel_requested) => Fenced::Held(Heartbeat { is_cancel_requested }),
            None => Fenced::Lost,
        })
    }

    /// Stores what the run can be resumed from, in place of what was stored before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_state_store(&self, lease: &Lease, resume_state: &[u8]) -> Result<Fenced<()>, Error> {
        let mut tx = self.begin().await?;
        let now = tx.connection().now().await?;
        // From here on nobody else can claim the run, until the state is there.
        if !run_state_announce(tx.connection(), lease).await? {
            return Ok(Fenced::Lost);
        }
        run_state_upsert(tx.connection(), lease, resume_state, now).await?;
        tx.commit().await?;
        Ok(Fenced::Held(()))
    }

    /// Gives a run back, as at an orderly stop: it is queued again, which counts as no attempt, or cancelled
    /// where that was asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_release(&self, lease: &Lease) -> Result<Fenced<RunState>, Error> {
        let mut tx = self.begin().await?;
        let Some(known) = KnownRun::lock_held(&mut tx, lease).await? else { return Ok(Fenced::Lost) };
        let now = tx.connection().now().await?;
        let (state, is_held) = if known.run.is_cancel_requested {
            (RunState::Cancelled, known.end(&mut tx, RunState::Cancelled, None, now).await?)
        } else {
            (RunState::Queued, known.requeue(tx.connection(), now).await?)
        };
        self.commit_if_held(tx, is_held, state).await
    }

    /// Counts a failed attempt and keeps the message. The run is queued again and rests for `retry_after`, or
    /// is failed for good where that is `None`, or cancelled where that was asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_fail(
        &self,
        lease: &Lease,
        message: &str,
        retry_after: Option<Duration>,
    ) -> Result<Fenced<RunState>, Error> {
        let mut tx = self.begin().await?;
        let Some(mut known) = KnownRun::lock_held(&mut tx, lease).await? else { return Ok(Fenced::Lost) };
        let now = tx.connection().now().await?;
        known.count_attempt(message, now);
        let (state, is_held) = match retry_after {
            _ if known.run.is_cancel_requested => {
                (RunState::Cancelled, known.end(&mut tx, RunState::Cancelled, None, now).await?)
            }
            Some(rest) => (RunState::Queued, known.requeue(tx.connection(), later(now, rest)).await?),
            None => (RunState::Failed, known.end(&mut tx, RunState::Failed, None, now).await?),
        };
        self.commit_if_held(tx, is_held, state).await
    }

    /// Makes the changes last if they were made under the lease.
    async fn commit_if_held(
        &self,
        tx: Transaction,
        is_held: bool,
        state: RunState,
    ) -> Result<Fenced<RunState>, Error> {
        if !is_held {
            tx.rollback().await?;
            return Ok(Fenced::Lost);
        }
        self.commit_and_tell(tx).await?;
        Ok(Fenced::Held(state))
    }
}

/// Whether the run is to stop, `None` where the lease is lost.
async fn run_heartbeat(
    connection: Connection<'_>,
    lease: &Lease,
    progress: Option<&Progress>,
    now: i64,
    expires_at: i64,
) -> Result<Option<bool>, Error> {
    const RUN_HEARTBEAT: &str = "
        UPDATE training_runs
        SET heartbeat_at = $3,
            lease_expires_at = $4,
            progress = COALESCE($5, progress)
        WHERE run_id = $1 AND lease_token = $2
        RETURNING is_cancel_requested";
    Ok(on!(connection, |connection| {
        sqlx::query_scalar(RUN_HEARTBEAT)
            .bind(lease.run.0)
            .bind(&lease.token)
            .bind(now)
            .bind(expires_at)
            .bind(progress.map(json))
            .fetch_optional(connection)
            .await
    })?)
}

/// Whether the lease is held.
async fn run_state_announce(connection: Connection<'_>, lease: &Lease) -> Result<bool, Error> {
    const RUN_STATE_ANNOUNCE: &str =
        "UPDATE training_runs SET has_newer_state = TRUE WHERE run_id = $1 AND lease_token = $2";
    let n_changed = on!(connection, |connection| {
        sqlx::query(RUN_STATE_ANNOUNCE)
            .bind(lease.run.0)
            .bind(&lease.token)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_changed == 1)
}

async fn run_state_upsert(
    connection: Connection<'_>,
    lease: &Lease,
    bytes: &[u8],
    now: i64,
) -> Result<(), Error> {
    const RUN_STATE_UPSERT: &str = "
        INSERT INTO training_run_states (run_id, bytes, stored_at)
        VALUES ($1, $2, $3)
        ON CONFLICT (run_id) DO UPDATE
        SET bytes = excluded.bytes,
            stored_at = excluded.stored_at";
    on!(connection, |connection| {
        sqlx::query(RUN_STATE_UPSERT)
            .bind(lease.run.0)
            .bind(bytes)
            .bind(now)
            .execute(connection)
            .await
            .map(drop)
    })?;
    Ok(())
}
