//! A PostgreSQL that is stopped and started again under load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tagates::pb;
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tagates::pb::record_result::Outcome;
use tokio::task::{self, JoinSet};
use tokio::time;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::Figure;
use crate::databases::postgres;
use crate::postgres::Postgres;
use crate::processes::Tagates;
use crate::service::{Listing, TASK, cells, connect, last_sequence, observation, record, value};

const N_WRITERS: i64 = 8;
const N_PREDICTORS: usize = 2;
/// Observations in one call.
const N_OBSERVATIONS: usize = 10;
/// How long the database is there, and how long it is away.
const INTERVAL: Duration = Duration::from_secs(1);

/// What the clients share.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    /// While the database is away for certain.
    is_away: AtomicBool,
    n_acknowledged_calls: AtomicUsize,
    n_predictions_while_away: AtomicUsize,
    n_failed_predictions: AtomicUsize,
}

/// What a writer met.
#[derive(Default)]
struct Met {
    /// The seed and place of each observation by its number.
    acknowledged: BTreeMap<i64, (i64, usize)>,
    n_told_to_retry: usize,
    other_refusals: Vec<Status>,
}

/// Stops and crashes it by turns, `times` times in all.
pub async fn restart(tagates: &Tagates, times: usize) -> anyhow::Result<Figure> {
    let mut database = postgres();
    let server = tagates.serve(&["--database".to_owned(), database.url("postgres")])?;
    let (load, cells) = (Arc::new(Load::default()), Arc::new(cells()));
    let mut writers = JoinSet::new();
    for seed in 0..N_WRITERS {
        writers.spawn(write(connect(&server.url()).await?, seed, cells.clone(), load.clone()));
    }
    let mut predictors = JoinSet::new();
    for _ in 0..N_PREDICTORS {
        predictors.spawn(predict(connect(&server.url()).await?, cells.clone(), load.clone()));
    }
    let mut longest_recovery = Duration::ZERO;
    for number in 0..times {
        time::sleep(INTERVAL).await;
        let end = if number % 2 == 0 { Postgres::stop } else { Postgres::crash };
        database = on(database, end).await?;
        load.is_away.store(true, Ordering::Release);
        time::sleep(INTERVAL).await;
        load.is_away.store(false, Ordering::Release);
        database = on(database, Postgres::start_again).await?;
        let (started, before) = (Instant::now(), load.n_acknowledged_calls.load(Ordering::Acquire));
        while load.n_acknowledged_calls.load(Ordering::Acquire) == before {
            ensure!(started.elapsed() < Duration::from_mins(1), "recording does not go on by itself");
            time::sleep(Duration::from_millis(1)).await;
        }
        longest_recovery = longest_recovery.max(started.elapsed());
    }
    load.is_over.store(true, Ordering::Release);
    let mut all = Met::default();
    let mut n_acknowledged = 0;
    while let Some(met) = writers.join_next().await {
        let met = met??;
        n_acknowledged += met.acknowledged.len();
        all.acknowledged.extend(met.acknowledged);
        all.n_told_to_retry += met.n_told_to_retry;
        all.other_refusals.extend(met.other_refusals);
    }
    predictors.join_all().await;

    let channel = connect(&server.url()).await?;
    let (mut listing, mut n_stored, mut n_wrong) = (Listing::new(&channel), 0, 0);
    while let Some(page) = listing.page().await? {
        for stored in page {
            n_stored += 1;
            let sent = all.acknowledged.remove(&stored.sequence);
            let as_sent = sent.map(|(seed, index)| observation(&cells[index], seed, value(index)));
            n_wrong += usize::from(as_sent != stored.observation);
        }
    }
    let last = last_sequence(&channel).await?;
    server.stop()?;

    let n_lost = all.acknowledged.len();
    let n_while_away = load.n_predictions_while_away.load(Ordering::Acquire);
    let n_failed = load.n_failed_predictions.load(Ordering::Acquire);
    let mut figure = Figure {
        text: format!(
            "stopped or crashed {times} times: {} calls answered UNAVAILABLE with RetryInfo, {} otherwise, \
             {n_while_away} predictions meanwhile, {n_failed} failed, recording again {} ms after a start at most, \
             {n_acknowledged} observations acknowledged, {n_lost} lost, {n_wrong} doubled or changed",
            all.n_told_to_retry,
            all.other_refusals.len(),
            longest_recovery.as_millis(),
        ),
        ..Figure::default()
    };
    figure.expect(all.n_told_to_retry > 0, "calls fell into the outage");
    let others = format!("every refusal is UNAVAILABLE with RetryInfo, not {:?}", all.other_refusals.first());
    figure.expect(all.other_refusals.is_empty(), &others);
    figure.expect(n_while_away > 0 && n_failed == 0, "predictions go on");
    figure.expect(n_lost == 0 && n_wrong == 0, "what was acknowledged is stored, once");
    figure.expect(
        n_stored == n_acknowledged && last == i64::try_from(n_acknowledged)?,
        &format!("{n_acknowledged} observations are stored, not {n_stored}, last number {last}"),
    );
    Ok(figure)
}

/// Tells the server to do something that takes long.
async fn on(mut server: Postgres, command: fn(&mut Postgres)) -> anyhow::Result<Postgres> {
    let done = task::spawn_blocking(move || {
        command(&mut server);
        server
    });
    Ok(done.await?)
}

/// Sends batch after batch, each until it is acknowledged.
async fn write(channel: Channel, seed: i64, cells: Arc<Vec<String>>, load: Arc<Load>) -> anyhow::Result<Met> {
    let mut met = Met::default();
    let (mut seed, mut first) = (seed, 0);
    while !load.is_over.load(Ordering::Acquire) {
        let places: Vec<_> = (first..cells.len()).take(N_OBSERVATIONS).collect();
        let batch: Vec<_> =
            places.iter().map(|index| observation(&cells[*index], seed, value(*index))).collect();
        let outcomes = loop {
            match record(&channel, batch.clone()).await {
                Ok(outcomes) => break outcomes,
                Err(status) => {
                    let retry_delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
                    if status.code() == Code::Unavailable && retry_delay.is_some() {
                        met.n_told_to_retry += 1;
                    } else {
                        met.other_refusals.push(status);
                    }
                    // Sooner than it was told to, so that there are many calls.
                    time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        load.n_acknowledged_calls.fetch_add(1, Ordering::AcqRel);
        for (outcome, index) in outcomes.into_iter().zip(places) {
            let (Outcome::NewSequence(number) | Outcome::SameSequence(number)) = outcome else {
                anyhow::bail!("refused: {outcome:?}");
            };
            ensure!(
                met.acknowledged.insert(number, (seed, index)).is_none(),
                "number {number} was given twice"
            );
        }
        first += batch.len();
        if first == cells.len() {
            (seed, first) = (seed + N_WRITERS, 0);
        }
    }
    Ok(met)
}

/// Asks call after call.
async fn predict(channel: Channel, cells: Arc<Vec<String>>, load: Arc<Load>) {
    let mut service = PredictorServiceClient::new(channel);
    let architectures: Vec<_> = cells.iter().take(4).map(pb::Architecture::from_text).collect();
    while !load.is_over.load(Ordering::Acquire) {
        let task = TASK.to_owned();
        let request = pb::PredictRequest {
            task,
            architectures: architectures.clone(),
            ..pb::PredictRequest::default()
        };
        let is_away = load.is_away.load(Ordering::Acquire);
        let is_answered = service.predict(request).await.is_ok();
        load.n_failed_predictions.fetch_add(usize::from(!is_answered), Ordering::AcqRel);
        if is_away && is_answered && load.is_away.load(Ordering::Acquire) {
            load.n_predictions_while_away.fetch_add(1, Ordering::AcqRel);
        }
        time::sleep(Duration::from_millis(5)).await;
    }
}
