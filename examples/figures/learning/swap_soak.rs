//! Two versions promoted by turns under load: no call fails, no reply mixes them, and memory does not grow.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tagates::pb;
use tagates::pb::predict_result::Outcome;
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tokio::task::JoinSet;
use tokio::time;
use tonic::transport::Channel;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::learning::rows::Row;
use crate::learning::two_versions::TwoVersions;
use crate::learning::watched_task::WatchedTask;
use crate::processes::{Server, Tagates};
use crate::service::{TASK, cells, connect};

const N_CONNECTIONS: usize = 4;
/// Cells that are asked for, and those of one call.
const N_CELLS: usize = 1_024;
const BATCH_SIZE: usize = 32;
/// A version answers so many calls before the next swap.
const N_REPLIES: usize = 50;
const LONGEST_SWAP: Duration = Duration::from_mins(1);
/// After so many swaps the server has what it needs.
const N_FIRST_SWAPS: usize = 20;
const MAX_GROWTH: f64 = 0.05;
/// Of the memory, at either end.
const N_READINGS: usize = 15;
const READING_INTERVAL: Duration = Duration::from_millis(100);

/// What the clients share.
struct Load {
    cells: Vec<String>,
    versions: BTreeMap<String, Answers>,
    is_over: AtomicBool,
    n_failed: AtomicUsize,
    n_mixed: AtomicUsize,
}

/// Of one version.
struct Answers {
    /// Of the cells, in their order.
    scores: Vec<f64>,
    n_replies: AtomicUsize,
}

pub async fn swap(tagates: &Tagates, n_swaps: usize) -> anyhow::Result<Figure> {
    ensure!(n_swaps > N_FIRST_SWAPS, "more than {N_FIRST_SWAPS} swaps are needed");
    let database = Database::new(Kind::Sqlite)?;
    let server = tagates.serve(&database.flags())?;
    let versions = TwoVersions::bring(tagates, &server)?;
    let channel = connect(&server.url()).await?;
    let task = WatchedTask::new(channel.clone(), TASK);
    let load = Arc::new(load(channel, &task, &versions).await?);
    let mut clients = JoinSet::new();
    for number in 0..N_CONNECTIONS {
        clients.spawn(ask(connect(&server.url()).await?, load.clone(), number));
    }

    let started = Instant::now();
    let mut after_first = 0;
    for number in 0..n_swaps {
        if number == N_FIRST_SWAPS {
            after_first = median_memory_kib(&server).await?;
        }
        let (from, to) = versions.turn(number);
        let answers = &load.versions[to];
        let before = answers.n_replies.load(Ordering::Acquire);
        let promoted = Instant::now();
        task.promote(to, from).await?;
        while answers.n_replies.load(Ordering::Acquire) < before + N_REPLIES {
            ensure!(promoted.elapsed() < LONGEST_SWAP, "{to} does not answer");
            time::sleep(Duration::from_millis(1)).await;
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let at_end = median_memory_kib(&server).await?;
    load.is_over.store(true, Ordering::Release);
    while let Some(asked) = clients.join_next().await {
        asked?;
    }
    server.stop()?;
    Ok(figure(&load, n_swaps, seconds, [after_first, at_end]))
}

/// What each version says when it is asked for by its name. The shipped one is champion again at the end.
async fn load(channel: Channel, task: &WatchedTask, versions: &TwoVersions) -> anyhow::Result<Load> {
    let all = cells();
    let cells: Vec<_> = all.iter().step_by(all.len() / N_CELLS).take(N_CELLS).cloned().collect();
    // A version is loaded once it was champion.
    let row = Row { cell: cells[0].clone(), value: 0.0 };
    for (from, to) in [versions.turn(0), versions.turn(1)] {
        task.promote(to, from).await?;
        task.until_answered_by(to, &row).await?;
    }
    let mut answers = BTreeMap::new();
    for version in [&versions.shipped, &versions.trained] {
        let (_, scores) = predict(&mut PredictorServiceClient::new(channel.clone()), version, &cells).await?;
        answers.insert(version.clone(), Answers { scores, n_replies: AtomicUsize::new(0) });
    }
    let [one, other] = [&versions.shipped, &versions.trained].map(|version| &answers[version].scores);
    let tell_apart = one.iter().zip(other).all(|(one, other)| one.to_bits() != other.to_bits());
    ensure!(tell_apart, "there are cells of which both versions say the same");
    let (is_over, n_failed, n_mixed) = <(AtomicBool, AtomicUsize, AtomicUsize)>::default();
    Ok(Load { cells, versions: answers, is_over, n_failed, n_mixed })
}

/// Call after call until it is over, each of other cells.
async fn ask(channel: Channel, load: Arc<Load>, number: usize) {
    let mut service = PredictorServiceClient::new(channel);
    let n_batches = load.cells.len() / BATCH_SIZE;
    for call in number.. {
        if load.is_over.load(Ordering::Acquire) {
            return;
        }
        let first = call % n_batches * BATCH_SIZE;
        let places = first..first + BATCH_SIZE;
        let Ok((version, scores)) = predict(&mut service, "", &load.cells[places.clone()]).await else {
            load.n_failed.fetch_add(1, Ordering::AcqRel);
            continue;
        };
        let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
        match load.versions.get(&version) {
            Some(answers) if bits(&answers.scores[places]) == bits(&scores) => {
                answers.n_replies.fetch_add(1, Ordering::AcqRel);
            }
            _ => {
                load.n_mixed.fetch_add(1, Ordering::AcqRel);
            }
        }
    }
}

/// The version that answered, and its scores. An architecture without a score fails the call.
async fn predict(
    service: &mut PredictorServiceClient<Channel>,
    version: &str,
    cells: &[String],
) -> anyhow::Result<(String, Vec<f64>)> {
    let request = pb::PredictRequest {
        task: TASK.to_owned(),
        model_version: version.to_owned(),
        architectures: cells.iter().map(pb::Architecture::from_text).collect(),
    };
    let reply = service.predict(request).await?.into_inner();
    let score = |result: pb::PredictResult| match result.outcome {
        Some(Outcome::Prediction(prediction)) => Some(prediction.score),
        _ => None,
    };
    let scores: Option<Vec<f64>> = reply.results.into_iter().map(score).collect();
    Ok((reply.model_version, scores.context("a cell without a score")?))
}

async fn median_memory_kib(server: &Server) -> anyhow::Result<u64> {
    let mut readings = Vec::with_capacity(N_READINGS);
    for _ in 0..N_READINGS {
        readings.push(server.memory_kib()?);
        time::sleep(READING_INTERVAL).await;
    }
    readings.sort_unstable();
    Ok(readings[N_READINGS / 2])
}

fn figure(load: &Load, n_swaps: usize, seconds: f64, [after_first, at_end]: [u64; 2]) -> Figure {
    let n_replies: Vec<_> =
        load.versions.values().map(|answers| answers.n_replies.load(Ordering::Acquire)).collect();
    let (n_failed, n_mixed) = (load.n_failed.load(Ordering::Acquire), load.n_mixed.load(Ordering::Acquire));
    let growth = at_end as f64 / after_first as f64 - 1.0;
    let mut figure = Figure {
        text: format!(
            "{n_swaps} swaps in {seconds:.0} s under {N_CONNECTIONS} connections: {} replies of {BATCH_SIZE} cells \
             ({n_replies:?} by version), {n_failed} failed, {n_mixed} of mixed versions; memory {:.1} MiB after \
             {N_FIRST_SWAPS} swaps, {:.1} MiB at the end ({:+.1} %)",
            n_replies.iter().sum::<usize>(),
            after_first as f64 / 1024.0,
            at_end as f64 / 1024.0,
            100.0 * growth,
        ),
        ..Figure::default()
    };
    figure.expect(n_failed == 0, "no call fails");
    figure.expect(n_mixed == 0, "every score of a reply is of the version it names");
    figure.expect(growth < MAX_GROWTH, "memory does not grow by 5 %");
    figure
}
