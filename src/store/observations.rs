//! Observations: inserted under their natural key, numbered, never changed.

use std::collections::HashMap;

use sqlx::QueryBuilder;

use crate::domain::{
    Budget, Measurement, Observation, ObservationCounts, Recorded, Sequence, Source, TaskName,
};
use crate::store::architectures::architecture_ids;
use crate::store::backend::{Connection, is_reused, on, row, statements};
use crate::store::error::Cause;
use crate::store::recording::{self, Kept, NaturalKey};
use crate::store::tasks::KnownTask;
use crate::store::{Error, Store, postgres, sqlite};

impl Store {
    /// Stores observations of `task` in one transaction, each under the task's next number. Those that are
    /// stored already, or contradict a stored one, change nothing; the answer says which, in order.
    ///
    /// # Errors
    /// When the task is unknown or archived, or the database fails.
    pub async fn observations_insert(
        &self,
        task: &TaskName,
        observations: &[Observation],
    ) -> Result<Vec<Recorded>, Error> {
        debug_assert!(observations.iter().all(|observation| observation.key().task == *task));
        let mut tx = self.begin().await?;
        let known = KnownTask::lock_open(&mut tx, task).await?;
        let architectures = observations.iter().map(|observation| &observation.key().architecture);
        let ids = architecture_ids(&mut tx, architectures).await?;
        let keys: Vec<_> = observations.iter().map(|observation| natural_key(observation, &ids)).collect();
        let mut live = HashMap::new();
        for batch in statements(&keys) {
            for row in observations_live(tx.connection(), &known, batch).await? {
                live.insert(row.key()?, row.kept()?);
            }
        }

        let last = known.task.last_sequence;
        let recorded = recording::record(keys.iter().cloned().zip(observations), live, last);
        let now = tx.connection().now().await?;
        let rows = keys.iter().zip(observations).zip(&recorded);
        let new: Vec<_> = rows
            .filter_map(|((key, observation), recorded)| match recorded {
                Recorded::New(sequence) => Some(NewRow { sequence: *sequence, key, observation }),
                Recorded::Same(_) | Recorded::Conflict { .. } => None,
            })
            .collect();
        for batch in statements(&new) {
            observations_insert(tx.connection(), &known, batch, now).await?;
        }
        if !new.is_empty() {
            let last = recording::last_of(recorded.iter(), last);
            known.last_sequence_update(tx.connection(), last).await?;
        }
        tx.commit().await?;
        Ok(recorded)
    }

    /// How many live observations a task has, and how many of them came after a number.
    ///
    /// # Errors
    /// When the task is unknown, or the database fails.
    pub async fn observations_count(
        &self,
        task: &TaskName,
        after: Sequence,
    ) -> Result<ObservationCounts, Error> {
        let mut reader = self.reader().await?;
        let known = KnownTask::find(reader.connection(), task).await?;
        let row = observations_count(reader.connection(), &known, after).await?;
        row.counts().map_err(|source| Error::corrupt("number of observations", source))
    }
}

row! {
    struct CountsRow {
        feasible: i64,
        infeasible: i64,
        new_feasible: i64,
        new_infeasible: i64,
    }
}

impl CountsRow {
    fn counts(self) -> Result<ObservationCounts, Cause> {
        Ok(ObservationCounts {
            n_feasible: self.feasible.try_into()?,
            n_infeasible: self.infeasible.try_into()?,
            n_new_feasible: self.new_feasible.try_into()?,
            n_new_infeasible: self.new_infeasible.try_into()?,
        })
    }
}

async fn observations_count(
    connection: Connection<'_>,
    task: &KnownTask,
    after: Sequence,
) -> Result<CountsRow, Error> {
    const OBSERVATIONS_COUNT: &str = "
        SELECT count(value) AS feasible,
               count(infeasible_reason) AS infeasible,
               count(value) FILTER (WHERE sequence > $2) AS new_feasible,
               count(infeasible_reason) FILTER (WHERE sequence > $2) AS new_infeasible
        FROM observations
        WHERE task_id = $1 AND retracted_by IS NULL";
    Ok(on!(connection, |connection| {
        sqlx::query_as(OBSERVATIONS_COUNT).bind(task.id).bind(after.0).fetch_one(connection).await
    })?)
}

fn natural_key(observation: &Observation, ids: &HashMap<&str, i64>) -> NaturalKey {
    let key = observation.key();
    NaturalKey {
        architecture_id: ids[key.architecture.text()],
        budget: key.budget,
        seed: key.seed,
        source: key.source.clone(),
    }
}

row! {
    struct LiveRow {
        architecture_id: i64,
        budget: i64,
        seed: i64,
        source: String,
        sequence: i64,
        value: Option<f64>,
        infeasible_reason: Option<String>,
        n_repeats: Option<i64>,
        standard_deviation: Option<f64>,
    }
}

impl LiveRow {
    fn key(&self) -> Result<NaturalKey, Error> {
        let key = || -> Result<NaturalKey, Cause> {
            Ok(NaturalKey {
                architecture_id: self.architecture_id,
                budget: Budget(self.budget.try_into()?),
                seed: self.seed,
                source: Source::new(&self.source)?,
            })
        };
        key().map_err(|source| Error::corrupt(format!("observation {}", self.sequence), source))
    }

    fn kept(self) -> Result<Kept, Error> {
        let sequence = Sequence(self.sequence);
        let kept = || -> Result<Kept, Cause> {
            let measurement = recording::measurement(self.value, self.infeasible_reason)?;
            Ok(Kept {
                sequence,
                measurement,
                repeats: recording::repeats(self.n_repeats, self.standard_deviation)?,
            })
        };
        kept().map_err(|source| Error::corrupt(format!("observation {sequence}"), source))
    }
}

/// The live observations with these keys.
async fn observations_live(
    connection: Connection<'_>,
    task: &KnownTask,
    keys: &[NaturalKey],
) -> Result<Vec<LiveRow>, Error> {
    let live_of_sent = connection.choose(sqlite::LIVE_OF_SENT, postgres::LIVE_OF_SENT);
    Ok(on!(connection, |connection| {
        let mut query = QueryBuilder::new("WITH sent (task_id, architecture_id, budget, seed, source) AS (");
        query.push_values(keys, |mut row, key| {
            row.push_bind(task.id)
                .push_bind(key.architecture_id)
                .push_bind(i64::from(key.budget.0))
                .push_bind(key.seed)
                .push_bind(key.source.as_str());
        });
        query.push(
            ")
            SELECT live.architecture_id,
                   live.budget,
                   live.seed,
                   live.source,
                   live.sequence,
                   live.value,
                   live.infeasible_reason,
                   live.n_repeats,
                   live.standard_deviation
            FROM sent ",
        );
        query.push(live_of_sent);
        query.build_query_as().persistent(is_reused(keys)).fetch_all(connection).await
    })?)
}

/// An observation that is to be stored.
struct NewRow<'a> {
    sequence: Sequence,
    key: &'a NaturalKey,
    observation: &'a Observation,
}

impl NewRow<'_> {
    fn value(&self) -> Option<f64> {
        match self.observation.measurement() {
            Measurement::Value(value) => Some(*value),
            Measurement::Infeasible(_) => None,
        }
    }

    fn infeasible_reason(&self) -> Option<&str> {
        match self.observation.measurement() {
            Measurement::Value(_) => None,
            Measurement::Infeasible(reason) => Some(reason),
        }
    }
}

async fn observations_insert(
    connection: Connection<'_>,
    task: &KnownTask,
    rows: &[NewRow<'_>],
    now: i64,
) -> Result<(), Error> {
    on!(connection, |connection| {
        let mut query = QueryBuilder::new(
            "INSERT INTO observations (
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
            ) ",
        );
        query.push_values(rows, |mut values, row| {
            let repeats = row.observation.repeats();
            values
                .push_bind(task.id)
                .push_bind(row.sequence.0)
                .push_bind(row.key.architecture_id)
                .push_bind(i64::from(row.key.budget.0))
                .push_bind(row.key.seed)
                .push_bind(row.key.source.as_str())
                .push_bind(row.value())
                .push_bind(row.infeasible_reason())
                .push_bind(repeats.map(|repeats| i64::from(repeats.n)))
                .push_bind(repeats.and_then(|repeats| repeats.standard_deviation))
                .push_bind(now);
        });
        query.build().persistent(is_reused(rows)).execute(connection).await.map(drop)
    })?;
    Ok(())
}
