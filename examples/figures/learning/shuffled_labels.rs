//! Labels that are noise: nothing is promoted, neither where there is no champion nor over a good one.

use std::path::Path;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tagates::pb::task_service_client::TaskServiceClient;
use tagates::pb::{self, json};
use tagates::retraining::{Decision, Keep, Verdict};

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::learning::rows::{Row, read};
use crate::learning::watched_task::WatchedTask;
use crate::processes::Tagates;
use crate::service::{self, connect};

const HOLDOUT_SHARE: f64 = 0.25;

pub async fn observe_noise(
    tagates: &Tagates,
    table: &Path,
    steps: &[usize],
    seed: u64,
) -> anyhow::Result<Figure> {
    let rows = shuffled(read(table, "train")?, seed);
    let database = Database::new(Kind::Sqlite)?;
    let flags = ["--training-threads".to_owned(), "2".to_owned()];
    let server = tagates.serve_and_train(&[&database.flags()[..], &flags].concat())?;
    let channel = connect(&server.url()).await?;
    let policy = pb::RetrainingPolicy { cool_down_s: Some(0), ..pb::RetrainingPolicy::default() };
    let empty = WatchedTask::create(channel.clone(), "noise", HOLDOUT_SHARE, policy).await?;
    // Its champion is the shipped one.
    let task =
        pb::Task { name: service::TASK.to_owned(), retraining_policy: Some(policy), ..pb::Task::default() };
    let request = pb::UpdateTaskRequest { task: Some(task), update_mask: None };
    TaskServiceClient::new(channel.clone()).update_task(request).await?;
    let good = WatchedTask::new(channel, service::TASK);

    let mut figure = Figure::default();
    let mut texts = Vec::new();
    for (name, task) in [("from nothing", &empty), ("over the shipped champion", &good)] {
        let n_before = task.promotions().await?.len();
        let mut n_judged = 0;
        let mut first = 0;
        for &n_rows in steps {
            task.record(&rows[first..n_rows]).await?;
            first = n_rows;
            let run = task.settle().await?;
            let version = task.version(run.model_version()).await?;
            let decision = reason(version)?;
            println!("{name}, {n_rows} rows: {decision}");
            let has_rows = !matches!(decision.verdict, Verdict::Keep(Keep::HoldoutTooSmall { .. }));
            figure.expect(has_rows, &format!("{name}: {n_rows} rows are enough to judge by"));
            n_judged += usize::from(has_rows);
        }
        let n_promotions = task.promotions().await?.len() - n_before;
        texts.push(format!("{name} {n_promotions} of {n_judged} versions promoted"));
        figure.expect(n_promotions == 0, &format!("{name}: nothing is promoted"));
    }
    server.stop()?;
    figure.text =
        format!("labels shuffled, {} rows at the end: {}", steps.last().unwrap_or(&0), texts.join(", "));
    Ok(figure)
}

fn shuffled(mut rows: Vec<Row>, seed: u64) -> Vec<Row> {
    let mut values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    values.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    for (row, value) in rows.iter_mut().zip(values) {
        row.value = value;
    }
    rows
}

/// Why a version was promoted or not.
fn reason(version: pb::ModelVersion) -> anyhow::Result<Decision> {
    let decision = version.decision.context("a version without a decision")?;
    Ok(serde_json::from_value(json::decode(decision))?)
}
