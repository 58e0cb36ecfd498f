//! What there is of a task's runs, versions and observations: as its server tells, or as the tables say.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use sqlx::PgConnection;
use tagates::pb::architecture::Notation;
use tagates::pb::observation::Outcome as Measured;
use tagates::pb::{self, RunState};

use crate::learning::rows::Row;
use crate::learning::watched_task::WatchedTask;

pub struct Accounts {
    /// Whether each run succeeded, by its number.
    pub runs: BTreeMap<i64, bool>,
    /// The run of each version that one made.
    pub versions: Vec<i64>,
    /// The run of each promotion that one made.
    pub promotions: Vec<i64>,
    /// In the order in which they were recorded.
    pub observations: Vec<Row>,
}

impl Accounts {
    /// As the server tells.
    pub async fn by_calls(task: &WatchedTask) -> anyhow::Result<Self> {
        let runs = task.runs().await?;
        let promotions = task.promotions().await?;
        Ok(Self {
            runs: runs.iter().map(|run| (run.run, run.state() == RunState::Succeeded)).collect(),
            versions: task.versions().await?.iter().filter_map(|version| version.run).collect(),
            promotions: promotions.iter().filter_map(|promotion| run_of(&promotion.who)).collect(),
            observations: task.observations().await?.into_iter().map(row).collect::<Result<_, _>>()?,
        })
    }

    /// As the tables say.
    pub async fn by_queries(sql: &mut PgConnection, task: &str) -> anyhow::Result<Self> {
        const RUNS: &str = "
            SELECT run_id, training_runs.state = 'succeeded'
            FROM training_runs JOIN tasks USING (task_id)
            WHERE tasks.name = $1";
        const VERSIONS: &str = "
            SELECT run_id
            FROM model_versions JOIN tasks USING (task_id)
            WHERE tasks.name = $1 AND run_id IS NOT NULL";
        const PROMOTIONS: &str = "
            SELECT who
            FROM promotions JOIN tasks USING (task_id)
            WHERE tasks.name = $1";
        const OBSERVATIONS: &str = "
            SELECT architectures.text, observations.value
            FROM observations JOIN architectures USING (architecture_id) JOIN tasks USING (task_id)
            WHERE tasks.name = $1
            ORDER BY sequence";
        let runs: Vec<(i64, bool)> = sqlx::query_as(RUNS).bind(task).fetch_all(&mut *sql).await?;
        let who: Vec<String> = sqlx::query_scalar(PROMOTIONS).bind(task).fetch_all(&mut *sql).await?;
        let versions = sqlx::query_scalar(VERSIONS).bind(task).fetch_all(&mut *sql).await?;
        let rows: Vec<(String, f64)> = sqlx::query_as(OBSERVATIONS).bind(task).fetch_all(sql).await?;
        Ok(Self {
            runs: runs.into_iter().collect(),
            versions,
            promotions: who.iter().filter_map(|who| run_of(who)).collect(),
            observations: rows.into_iter().map(|(cell, value)| Row { cell, value }).collect(),
        })
    }

    /// Runs that did not succeed, and those that are known of and not there.
    pub fn n_runs_lost(&self, known: &BTreeSet<i64>) -> usize {
        let n_gone = known.iter().filter(|run| !self.runs.contains_key(run)).count();
        n_gone + self.runs.values().filter(|succeeded| !**succeeded).count()
    }

    /// Versions and promotions of a run beside its first.
    pub fn n_versions_doubled(&self) -> usize {
        let n_more = |runs: &[i64]| runs.len() - runs.iter().collect::<BTreeSet<_>>().len();
        n_more(&self.versions) + n_more(&self.promotions)
    }
}

/// Observations that are not where and as they were sent, one client having sent them in this order.
pub fn n_observations_lost(stored: &[Row], sent: &[Row]) -> usize {
    let is_as_sent = |(stored, sent): &(&Row, &Row)| {
        stored.cell == sent.cell && stored.value.to_bits() == sent.value.to_bits()
    };
    let n_right = stored.iter().zip(sent).filter(is_as_sent).count();
    stored.len().max(sent.len()) - n_right
}

/// The run that promoted, where one did.
fn run_of(who: &str) -> Option<i64> {
    who.strip_prefix("run ")?.parse().ok()
}

fn row(stored: pb::StoredObservation) -> anyhow::Result<Row> {
    let observation = stored.observation.context("an observation")?;
    let Some(Measured::Value(value)) = observation.outcome else { anyhow::bail!("no value") };
    match observation.architecture.and_then(|architecture| architecture.notation) {
        Some(Notation::Text(cell)) => Ok(Row { cell, value }),
        other => anyhow::bail!("an architecture that is no text: {other:?}"),
    }
}
