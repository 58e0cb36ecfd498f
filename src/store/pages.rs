//! Reading observations, a page at a time.

use sqlx::{Database, Encode, QueryBuilder, Type};

use crate::domain::{
    Budget, Observation, ObservationFilter, ObservationKey, Sequence, Source, StoredObservation, Task,
    TaskName, Timestamp,
};
use crate::space::CanonicalId;
use crate::store::backend::{Connection, on, row};
use crate::store::error::Cause;
use crate::store::recording;
use crate::store::tasks::KnownTask;
use crate::store::{Error, Store};

/// Begins the query of a page of one task's observations; its conditions follow, then [`PAGE_END`]. The page
/// is cut before architectures are joined to it, or the database might join the whole task first.
const PAGE_OF_TASK: &str = "
    SELECT sequence,
           text,
           canonical_id,
           budget,
           seed,
           source,
           value,
           infeasible_reason,
           n_repeats,
           standard_deviation,
           recorded_at,
           retracted_by
    FROM (SELECT * FROM observations WHERE task_id = ";

const PAGE_END: &str = ") AS page
    JOIN architectures ON architectures.architecture_id = page.architecture_id
    ORDER BY sequence";

impl Store {
    /// Up to `limit` observations that meet the filter, ascending by number, after the given one: live ones,
    /// or with the retracted ones.
    ///
    /// # Errors
    /// When the task is unknown, the database fails or a row cannot be read.
    pub async fn observations_page(
        &self,
        task: &TaskName,
        filter: &ObservationFilter,
        with_retracted: bool,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<StoredObservation>, Error> {
        let mut reader = self.reader().await?;
        let known = KnownTask::find(reader.connection(), task).await?;
        let rows =
            observations_after(reader.connection(), &known, filter, with_retracted, after, limit).await?;
        parse(rows, &known)
    }

    /// Up to `limit` of the observations that were live when `up_to` was the task's last number, ascending by
    /// number, after the given one: the same rows whenever it is asked.
    ///
    /// # Errors
    /// When the task is unknown or has not come to that number yet, the database fails or a row cannot be
    /// read.
    pub async fn snapshot_page(
        &self,
        task: &TaskName,
        up_to: Sequence,
        after: Sequence,
        limit: u32,
    ) -> Result<Vec<StoredObservation>, Error> {
        let mut reader = self.reader().await?;
        let known = KnownTask::find(reader.connection(), task).await?;
        let last = known.task.last_sequence;
        if up_to > last {
            return Err(Error::SnapshotAhead { task: task.clone(), up_to, last });
        }
        let rows = observations_up_to(reader.connection(), &known, up_to, after, limit).await?;
        let mut snapshot = parse(rows, &known)?;
        for observation in &mut snapshot {
            // What took it back since is no part of how things were.
            observation.retracted_by = None;
        }
        Ok(snapshot)
    }
}

fn parse(rows: Vec<ObservationRow>, known: &KnownTask) -> Result<Vec<StoredObservation>, Error> {
    let task = &known.task.task;
    rows.into_iter()
        .map(|row| {
            let sequence = row.sequence;
            row.stored(task).map_err(|source| {
                Error::corrupt(format!("observation {sequence} of task {}", task.name), source)
            })
        })
        .collect()
}

/// Adds the conditions of a filter. Its numbers become part of the text, so that there may be more of them
/// than a statement has parameters.
pub(in crate::store) fn push_filter<DB>(query: &mut QueryBuilder<DB>, filter: &ObservationFilter)
where
    DB: Database,
    for<'t> i64: Encode<'t, DB> + Type<DB>,
    for<'t> String: Encode<'t, DB> + Type<DB>,
{
    if !filter.sequences.is_empty() {
        query.push(" AND sequence IN (");
        let mut numbers = query.separated(", ");
        for sequence in &filter.sequences {
            numbers.push(sequence.0);
        }
        query.push(")");
    }
    if let Some(source) = &filter.source {
        query.push(" AND source = ").push_bind(source.as_str().to_owned());
    }
    if let Some(from) = filter.recorded_from {
        query.push(" AND recorded_at >= ").push_bind(from.unix_micros);
    }
    if let Some(before) = filter.recorded_before {
        query.push(" AND recorded_at < ").push_bind(before.unix_micros);
    }
}

async fn observations_after(
    connection: Connection<'_>,
    task: &KnownTask,
    filter: &ObservationFilter,
    with_retracted: bool,
    after: Sequence,
    limit: u32,
) -> Result<Vec<ObservationRow>, Error> {
    let is_reused = filter.sequences.is_empty();
    Ok(on!(connection, |connection| {
        let mut query = QueryBuilder::new(PAGE_OF_TASK);
        query.push_bind(task.id).push(" AND sequence > ").push_bind(after.0);
        if !with_retracted {
            query.push(" AND retracted_by IS NULL");
        }
        push_filter(&mut query, filter);
        query.push(" ORDER BY sequence LIMIT ").push_bind(i64::from(limit)).push(PAGE_END);
        query.build_query_as().persistent(is_reused).fetch_all(connection).await
    })?)
}

async fn observations_up_to(
    connection: Connection<'_>,
    task: &KnownTask,
    up_to: Sequence,
    after: Sequence,
    limit: u32,
) -> Result<Vec<ObservationRow>, Error> {
    Ok(on!(connection, |connection| {
        let mut query = QueryBuilder::new(PAGE_OF_TASK);
        query.push_bind(task.id);
        query.push(" AND sequence > ").push_bind(after.0);
        query.push(" AND sequence <= ").push_bind(up_to.0);
        query.push(" AND (retracted_by IS NULL OR retracted_by > ").push_bind(up_to.0).push(")");
        query.push(" ORDER BY sequence LIMIT ").push_bind(i64::from(limit)).push(PAGE_END);
        query.build_query_as().fetch_all(connection).await
    })?)
}

row! {
    struct ObservationRow {
        sequence: i64,
        text: String,
        canonical_id: String,
        budget: i64,
        seed: i64,
        source: String,
        value: Option<f64>,
        infeasible_reason: Option<String>,
        n_repeats: Option<i64>,
        standard_deviation: Option<f64>,
        recorded_at: i64,
        retracted_by: Option<i64>,
    }
}

impl ObservationRow {
    fn stored(self, task: &Task) -> Result<StoredObservation, Cause> {
        let key = ObservationKey {
            task: task.name.clone(),
            architecture: task.space.parse(&self.text)?,
            budget: Budget(self.budget.try_into()?),
            seed: self.seed,
            source: Source::new(&self.source)?,
        };
        let measurement = recording::measurement(self.value, self.infeasible_reason)?;
        let repeats = recording::repeats(self.n_repeats, self.standard_deviation)?;
        Ok(StoredObservation {
            sequence: Sequence(self.sequence),
            observation: Observation::new(task, key, measurement, repeats)?,
            class: CanonicalId::from_kept(&self.canonical_id),
            recorded_at: Timestamp { unix_micros: self.recorded_at },
            retracted_by: self.retracted_by.map(Sequence),
        })
    }
}
