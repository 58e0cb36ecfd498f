//! Retractions: tombstones over observations, numbered as these are, and how they are undone.
//!
//! Rows never come back to life: an earlier snapshot would change. Undone, they are recorded again.

use sqlx::QueryBuilder;

use crate::domain::{ObservationFilter, Recorded, Retraction, Sequence, TaskName, Timestamp};
use crate::store::backend::{Connection, on, row};
use crate::store::error::Cause;
use crate::store::pages::push_filter;
use crate::store::recording::{self, Kept};
use crate::store::tasks::KnownTask;
use crate::store::{Error, Store, Undone};

/// A query of one task's retractions: the columns of a [`RetractionRow`], and which.
macro_rules! select_retractions {
    ($which:literal) => {
        concat!(
            "SELECT sequence,
                    reason,
                    n_observations,
                    retracted_at,
                    undone_at
             FROM retractions
             WHERE task_id = $1 AND ",
            $which
        )
    };
}

impl Store {
    /// Takes back every live observation that meets the filter, under one number of the task.
    ///
    /// # Errors
    /// When the filter has no condition, the task is unknown or archived, or the database fails.
    pub async fn observations_retract(
        &self,
        task: &TaskName,
        filter: &ObservationFilter,
        reason: &str,
    ) -> Result<Retraction, Error> {
        if *filter == ObservationFilter::default() {
            return Err(Error::EmptyFilter);
        }
        let mut tx = self.begin().await?;
        let known = KnownTask::lock_open(&mut tx, task).await?;
        let now = tx.connection().now().await?;
        let sequence = Sequence(known.task.last_sequence.0 + 1);
        retraction_insert(tx.connection(), &known, sequence, reason, now).await?;
        let n_observations = observations_retract(tx.connection(), &known, sequence, filter).await?;
        retraction_count_update(tx.connection(), &known, sequence, n_observations).await?;
        known.last_sequence_update(tx.connection(), sequence).await?;
        tx.commit().await?;
        Ok(Retraction {
            sequence,
            task: task.clone(),
            reason: reason.to_owned(),
            n_observations,
            retracted_at: Timestamp { unix_micros: now },
            undone_at: None,
        })
    }

    /// Records again what a retraction took back, under new numbers: but for what was measured anew since,
    /// which stays. Undone again, nothing changes. `None` where there is no such retraction.
    ///
    /// # Errors
    /// When the task is unknown or archived, or the database fails.
    pub async fn retraction_undo(
        &self,
        task: &TaskName,
        retraction: Sequence,
    ) -> Result<Option<Undone>, Error> {
        let mut tx = self.begin().await?;
        let known = KnownTask::lock_open(&mut tx, task).await?;
        let Some(row) = retraction_by_sequence(tx.connection(), &known, retraction).await? else {
            return Ok(None);
        };
        let mut retraction = row.retraction(task)?;
        if retraction.undone_at.is_some() {
            return Ok(Some(Undone { retraction, recorded: Vec::new() }));
        }
        let last = known.task.last_sequence;
        let retracted = retracted_by(tx.connection(), &known, retraction.sequence).await?;
        let mut next = last.0 + 1;
        let mut recorded = Vec::with_capacity(retracted.len());
        for row in retracted {
            let old = Sequence(row.sequence);
            recorded.push((old, row.recorded_again(&mut next)?));
        }

        let now = tx.connection().now().await?;
        // Numbers the same rows in the same order as was done above.
        observations_insert_again(tx.connection(), &known, retraction.sequence, last, now).await?;
        retraction_undone_update(tx.connection(), &known, retraction.sequence, now).await?;
        let last = recording::last_of(recorded.iter().map(|(_, recorded)| recorded), last);
        known.last_sequence_update(tx.connection(), last).await?;
        tx.commit().await?;
        retraction.undone_at = Some(Timestamp { unix_micros: now });
        Ok(Some(Undone { retraction, recorded }))
    }

    /// Up to `limit` retractions of the task, ascending by number, after the given one.
    ///
    /// # Errors
    /// When the task is unknown, the database fails or a row cannot be read.
    pub async fn retractions_page(
        &self,
        task: &TaskName,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<Retraction>, Error> {
        let mut reader = self.reader().await?;
        let known = KnownTask::find(reader.connection(), task).await?;
        let rows = retractions_after(reader.connection(), &known, after, limit).await?;
        rows.into_iter().map(|row| row.retraction(task)).collect()
    }
}

async fn retraction_insert(
    connection: Connection<'_>,
    task: &KnownTask,
    sequence: Sequence,
    reason: &str,
    now: i64,
) -> Result<(), Error> {
    const RETRACTION_INSERT: &str = "
        INSERT INTO retractions (task_id, sequence, reason, n_observations, retracted_at)
        VALUES ($1, $2, $3, 0, $4)";
    on!(connection, |connection| {
        sqlx::query(RETRACTION_INSERT)
            .bind(task.id)
            .bind(sequence.0)
            .bind(reason)
            .bind(now)
            .execute(connection)
            .await
            .map(drop)
    })?;
    Ok(())
}

/// How many observations were taken back.
async fn observations_retract(
    connection: Connection<'_>,
    task: &KnownTask,
    retraction: Sequence,
    filter: &ObservationFilter,
) -> Result<u64, Error> {
    Ok(on!(connection, |connection| {
        let mut query = QueryBuilder::new("UPDATE observations SET retracted_by = ");
        query.push_bind(retraction.0).push(" WHERE retracted_by IS NULL AND task_id = ").push_bind(task.id);
        push_filter(&mut query, filter);
        let done = query.build().persistent(false).execute(connection).await;
        done.map(|done| done.rows_affected())
    })?)
}

async fn retraction_count_update(
    connection: Connection<'_>,
    task: &KnownTask,
    retraction: Sequence,
    n_observations: u64,
) -> Result<(), Error> {
    const RETRACTION_COUNT_UPDATE: &str =
        "UPDATE retractions SET n_observations = $3 WHERE task_id = $1 AND sequence = $2";
    on!(connection, |connection| {
        sqlx::query(RETRACTION_COUNT_UPDATE)
            .bind(task.id)
            .bind(retraction.0)
            .bind(i64::try_from(n_observations).expect("a table has fewer rows"))
            .execute(connection)
            .await
            .map(drop)
    })?;
    Ok(())
}

async fn retraction_undone_update(
    connection: Connection<'_>,
    task: &KnownTask,
    retraction: Sequence,
    now: i64,
) -> Result<(), Error> {
    const RETRACTION_UNDONE_UPDATE: &str =
        "UPDATE retractions SET undone_at = $3 WHERE task_id = $1 AND sequence = $2";
    on!(connection, |connection| {
        sqlx::query(RETRACTION_UNDONE_UPDATE)
            .bind(task.id)
            .bind(retraction.0)
            .bind(now)
            .execute(connection)
            .await
            .map(drop)
    })?;
    Ok(())
}

row! {
    /// An observation that was taken back, and the live one of its key, if there is one.
    struct RetractedRow {
        sequence: i64,
        value: Option<f64>,
        infeasible_reason: Option<String>,
        n_repeats: Option<i64>,
        standard_deviation: Option<f64>,
        live_sequence: Option<i64>,
        live_value: Option<f64>,
        live_infeasible_reason: Option<String>,
        live_n_repeats: Option<i64>,
        live_standard_deviation: Option<f64>,
    }
}

impl RetractedRow {
    /// What becomes of the observation, where `next` is the next number to give.
    fn recorded_again(self, next: &mut i64) -> Result<Recorded, Error> {
        let sequence = self.sequence;
        self.again(next).map_err(|source| Error::corrupt(format!("observation {sequence}"), source))
    }

    fn again(self, next: &mut i64) -> Result<Recorded, Cause> {
        let Some(live_sequence) = self.live_sequence else {
            let sequence = Sequence(*next);
            *next += 1;
            return Ok(Recorded::New(sequence));
        };
        let live = Kept {
            sequence: Sequence(live_sequence),
            measurement: recording::measurement(self.live_value, self.live_infeasible_reason)?,
            repeats: recording::repeats(self.live_n_repeats, self.live_standard_deviation)?,
        };
        let measurement = recording::measurement(self.value, self.infeasible_reason)?;
        Ok(live.meets(&measurement, recording::repeats(self.n_repeats, self.standard_deviation)?))
    }
}

/// What a retraction took back, ascending by number.
async fn retracted_by(
    connection: Connection<'_>,
    task: &KnownTask,
    retraction: Sequence,
) -> Result<Vec<RetractedRow>, Error> {
    const RETRACTED_BY: &str = "
        SELECT old.sequence,
               old.value,
               old.infeasible_reason,
               old.n_repeats,
               old.standard_deviation,
               live.sequence AS live_sequence,
               live.value AS live_value,
               live.infeasible_reason AS live_infeasible_reason,
               live.n_repeats AS live_n_repeats,
               live.standard_deviation AS live_standard_deviation
        FROM observations AS old
        LEFT JOIN observations AS live
          ON live.task_id = old.task_id
         AND live.architecture_id = old.architecture_id
         AND live.budget = old.budget
         AND live.seed = old.seed
         AND live.source = old.source
         AND live.retracted_by IS NULL
        WHERE old.task_id = $1 AND old.retracted_by = $2
        ORDER BY old.sequence";
    Ok(on!(connection, |connection| {
        sqlx::query_as(RETRACTED_BY).bind(task.id).bind(retraction.0).fetch_all(connection).await
    })?)
}

/// Copies what a retraction took back, where no live observation has its key. No two of them share one.
async fn observations_insert_again(
    connection: Connection<'_>,
    task: &KnownTask,
    retraction: Sequence,
    last: Sequence,
    now: i64,
) -> Result<(), Error> {
    const OBSERVATIONS_INSERT_AGAIN: &str = "
        INSERT INTO observations (
            task_id,
            sequence,
            architecture_id,
            budget,
            seed,
            source,
            value,
            infeasible_reason,
            n_repeats,
            standard_deviation,
            recorded_at
        )
        SELECT old.task_id,
               $3 + row_number() OVER (ORDER BY old.sequence),
               old.architecture_id,
               old.budget,
               old.seed,
               old.source,
               old.value,
               old.infeasible_reason,
               old.n_repeats,
               old.standard_deviation,
               $4
        FROM observations AS old
        WHERE old.task_id = $1
          AND old.retracted_by = $2
          AND NOT EXISTS (
              SELECT 1
              FROM observations AS live
              WHERE live.task_id = old.task_id
                AND live.architecture_id = old.architecture_id
                AND live.budget = old.budget
                AND live.seed = old.seed
                AND live.source = old.source
                AND live.retracted_by IS NULL
          )";
    on!(connection, |connection| {
        sqlx::query(OBSERVATIONS_INSERT_AGAIN)
            .bind(task.id)
            .bind(retraction.0)
            .bind(last.0)
            .bind(now)
            .execute(connection)
            .await
            .map(drop)
    })?;
    Ok(())
}

async fn retraction_by_sequence(
    connection: Connection<'_>,
    task: &KnownTask,
    sequence: Sequence,
) -> Result<Option<RetractionRow>, Error> {
    const RETRACTION_BY_SEQUENCE: &str = select_retractions!("sequence = $2");
    Ok(on!(connection, |connection| {
        sqlx::query_as(RETRACTION_BY_SEQUENCE).bind(task.id).bind(sequence.0).fetch_optional(connection).await
    })?)
}

async fn retractions_after(
    connection: Connection<'_>,
    task: &KnownTask,
    after: Sequence,
    limit: u32,
) -> Result<Vec<RetractionRow>, Error> {
    const RETRACTIONS_AFTER: &str = select_retractions!("sequence > $2 ORDER BY sequence LIMIT $3");
    Ok(on!(connection, |connection| {
        sqlx::query_as(RETRACTIONS_AFTER)
            .bind(task.id)
            .bind(after.0)
            .bind(i64::from(limit))
            .fetch_all(connection)
            .await
    })?)
}

row! {
    struct RetractionRow {
        sequence: i64,
        reason: String,
        n_observations: i64,
        retracted_at: i64,
        undone_at: Option<i64>,
    }
}

impl RetractionRow {
    fn retraction(self, task: &TaskName) -> Result<Retraction, Error> {
        let n_observations = u64::try_from(self.n_observations).map_err(|source| {
            Error::corrupt(format!("retraction {} of task {task}", self.sequence), source)
        })?;
        Ok(Retraction {
            sequence: Sequence(self.sequence),
            task: task.clone(),
            reason: self.reason,
            n_observations,
            retracted_at: Timestamp { unix_micros: self.retracted_at },
            undone_at: self.undone_at.map(|unix_micros| Timestamp { unix_micros }),
        })
    }
}
