//! What a run that trains in the same process does to the latency of predictions.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tagates::pb::{self, RunState};
use tokio::task::JoinSet;
use tokio::time;
use tonic::transport::Channel;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::learning::latencies::{Latencies, load_average, millis};
use crate::learning::rows::read;
use crate::learning::watched_task::WatchedTask;
use crate::processes::Tagates;
use crate::service::{self, cells, connect};

const TASK: &str = "predict-latency";
const HOLDOUT_SHARE: f64 = 0.25;
/// Calls start so far apart, whether or not those before are answered.
const CALL_INTERVAL: Duration = Duration::from_millis(20);
const N_CONNECTIONS: usize = 2;
const BATCH_SIZE: usize = 16;
/// Not measured: connections and memory are new.
const WARM_UP: Duration = Duration::from_secs(5);
/// During the run: fewer have no slowest hundredth to speak of.
const MIN_CALLS: usize = 2_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How much slower the slowest hundredth may become.
const MAX_RATIO: f64 = 3.0;

#[derive(clap::Args)]
pub struct Arguments {
    /// CSV with columns `arch`, `c10_test_200`, `split`.
    table: PathBuf,
    /// Of the table, to train on: enough for a run of thousands of calls.
    #[arg(long, default_value_t = 800)]
    rows: usize,
    /// Each of the two times without a run.
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
}

pub async fn predict(tagates: &Tagates, arguments: &Arguments) -> anyhow::Result<Figure> {
    let rows = read(&arguments.table, "train")?;
    ensure!(arguments.rows <= rows.len(), "the table has {} train rows", rows.len());
    let idle_time = Duration::from_secs(arguments.idle_seconds);
    let database = Database::new(Kind::Sqlite)?;
    let server = tagates.serve_and_train(&database.flags())?;
    let policy = pb::RetrainingPolicy { cool_down_s: Some(0), ..pb::RetrainingPolicy::default() };
    let task = WatchedTask::create(connect(&server.url()).await?, TASK, HOLDOUT_SHARE, policy).await?;
    let mut channels = Vec::new();
    for _ in 0..N_CONNECTIONS {
        channels.push(connect(&server.url()).await?);
    }
    measure(&channels, time::sleep(WARM_UP)).await?;

    let idle = measure(&channels, time::sleep(idle_time)).await?;
    report("idle", &idle)?;
    task.record(&rows[..arguments.rows]).await?;
    until_the_run(&task, |state| state == RunState::Running).await?;
    let over = until_the_run(&task, |state| state != RunState::Running);
    let active = measure(&channels, async { over.await.expect("the server answers") }).await?;
    report("a run is active", &active)?;
    let run = task.settle().await?;
    let idle_again = measure(&channels, time::sleep(idle_time)).await?;
    report("idle again", &idle_again)?;
    server.stop()?;

    let p99 = |latencies: &Latencies| latencies.quantile(0.99).as_secs_f64();
    // Whichever was quieter, so that what others did meanwhile counts against the figure.
    let ratio = p99(&active) / p99(&idle).min(p99(&idle_again));
    let text = |name: &str, latencies: &Latencies| {
        let [p50, p99] = [0.5, 0.99].map(|share| millis(latencies.quantile(share)));
        format!("{name} p50 {p50}, p99 {p99} of {} calls", latencies.n())
    };
    let mut figure = Figure {
        text: format!(
            "{} calls/s of {BATCH_SIZE} cells over {N_CONNECTIONS} connections: {}; {}; {}; p99 {ratio:.2} times as \
             long while run {} is active (load average {})",
            1_000 / CALL_INTERVAL.as_millis(),
            text("idle", &idle),
            text("active", &active),
            text("idle again", &idle_again),
            run.run,
            load_average()?,
        ),
        ..Figure::default()
    };
    figure.expect(active.n() >= MIN_CALLS, &format!("the run lasts {MIN_CALLS} calls, not {}", active.n()));
    figure.expect(ratio < MAX_RATIO, &format!("p99 stays below {MAX_RATIO} times that without a run"));
    Ok(figure)
}

fn report(when: &str, latencies: &Latencies) -> anyhow::Result<()> {
    let shares = [0.5, 0.9, 0.99, 0.999, 1.0].map(|share| millis(latencies.quantile(share)));
    eprintln!("{when}: p50, p90, p99, p99.9, max {shares:?}, load average {}", load_average()?);
    Ok(())
}

/// Waits until its newest run is in such a state.
async fn until_the_run(task: &WatchedTask, is_there: impl Fn(RunState) -> bool) -> anyhow::Result<()> {
    while !task.runs().await?.first().is_some_and(|run| is_there(run.state())) {
        time::sleep(LOOK_INTERVAL).await;
    }
    Ok(())
}

/// Calls for the champion of the built-in task at a steady pace until `end`. A call's time is from when it was
/// due, so that one that waits for another to be sent counts as what it is.
async fn measure(channels: &[Channel], end: impl Future<Output = ()>) -> anyhow::Result<Latencies> {
    let is_over = Arc::new(AtomicBool::new(false));
    let calling = tokio::spawn(call(channels.to_vec(), is_over.clone()));
    end.await;
    is_over.store(true, Ordering::Release);
    Latencies::new(calling.await??)
}

async fn call(channels: Vec<Channel>, is_over: Arc<AtomicBool>) -> anyhow::Result<Vec<Duration>> {
    let cells = cells();
    let batches: Vec<_> = cells.chunks_exact(BATCH_SIZE).collect();
    let (mut under_way, mut latencies) = (JoinSet::new(), Vec::new());
    let start = Instant::now();
    for number in 0.. {
        if is_over.load(Ordering::Acquire) {
            break;
        }
        let due = start + CALL_INTERVAL * number;
        time::sleep_until(due.into()).await;
        let number = number as usize;
        // Neighbours are alike: a stride that comes to every batch.
        let batch = batches[number * 101 % batches.len()];
        let request = pb::PredictRequest {
            task: service::TASK.to_owned(),
            architectures: batch.iter().map(pb::Architecture::from_text).collect(),
            ..pb::PredictRequest::default()
        };
        let mut service = PredictorServiceClient::new(channels[number % channels.len()].clone());
        under_way.spawn(async move { service.predict(request).await.map(|_| due.elapsed()) });
        while let Some(called) = under_way.try_join_next() {
            latencies.push(called??);
        }
    }
    while let Some(called) = under_way.join_next().await {
        latencies.push(called??);
    }
    Ok(latencies)
}
