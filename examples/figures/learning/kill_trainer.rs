//! A trainer that is killed again and again while observations keep coming: every run still makes its version,
//! once, of all that was recorded.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use sqlx::{Connection, PgConnection};
use tagates::pb;
use tokio::time;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::learning::accounts::{Accounts, n_observations_lost};
use crate::learning::rows::{Row, read};
use crate::learning::watched_task::WatchedTask;
use crate::processes::{Running, Tagates};
use crate::service::connect;

const TASK: &str = "kill-trainer";
const HOLDOUT_SHARE: f64 = 0.25;
/// Rows of the first run: it takes half a minute or so on one thread.
const N_FIRST_ROWS: usize = 200;
/// Rows of each later batch, and the time between two.
const N_ROWS: usize = 2;
const BATCH_INTERVAL: Duration = Duration::from_secs(10);
/// Share of the kills that come as soon as a run is claimed. The others are spread over its epochs.
const SHARE_JUST_CLAIMED: f64 = 0.15;
/// Progress is told so often; kills fall anywhere between.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// A run that somebody holds the lease of.
struct Leased {
    run_id: i64,
    /// Another for each claim.
    lease_token: String,
    has_state: bool,
    progress: Option<String>,
}

/// Kills that fell before a run had stored anything to go on from, after that, and in its last tenth.
#[derive(Default)]
struct Points {
    stateless: usize,
    later: usize,
    last_tenth: usize,
}

pub async fn kill(tagates: &Tagates, table: &Path, n_kills: usize, seed: u64) -> anyhow::Result<Figure> {
    let rows = Arc::new(read(table, "train")?);
    ensure!(rows.len() > N_FIRST_ROWS, "the table has {} train rows, too few", rows.len());
    let database = Database::new(Kind::Postgres)?;
    let [_, url] = database.flags();
    let server = tagates.serve(&database.flags())?;
    let policy = pb::RetrainingPolicy {
        cool_down_s: Some(0),
        min_new_observations: Some(u32::try_from(N_ROWS)?),
        min_new_share: Some(0.0),
        ..pb::RetrainingPolicy::default()
    };
    let task = WatchedTask::create(connect(&server.url()).await?, TASK, HOLDOUT_SHARE, policy).await?;
    let task = Arc::new(task);
    let mut sql = PgConnection::connect(&url).await?;
    let work = || Running::start(&mut tagates.command(&["work", "--database", &url, "--log", "warn"]));

    task.record(&rows[..N_FIRST_ROWS]).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let recorder = tokio::spawn(record_on(task.clone(), rows.clone(), is_over.clone()));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut killed, mut points, mut token) = (BTreeSet::new(), Points::default(), String::new());
    for (number, share) in shares(n_kills, &mut rng).into_iter().enumerate() {
        let started = Instant::now();
        let at = loop {
            ensure!(started.elapsed() < LONGEST_WAIT, "no run comes to {share:.2} of its life");
            ensure!(!recorder.is_finished(), "the recorder ended, or the table is too small");
            let worker = work()?;
            let at = time::timeout(LONGEST_WAIT, moment(&mut sql, &token, share, &mut rng)).await??;
            drop(worker);
            token.clone_from(&at.lease_token);
            // It may have been done a moment before.
            if leased(&mut sql).await?.is_some_and(|still| still.lease_token == token) {
                break at;
            }
        };
        killed.insert(at.run_id);
        let epochs = at.share()?;
        points.stateless += usize::from(!at.has_state);
        points.later += usize::from(at.has_state);
        points.last_tenth += usize::from(epochs >= 0.9);
        eprintln!(
            "kill {number}: run {} at {epochs:.2} of its epochs, {} to go on from ({:.0} s)",
            at.run_id,
            if at.has_state { "something" } else { "nothing" },
            started.elapsed().as_secs_f64(),
        );
    }
    is_over.store(true, Ordering::Release);
    let n_recorded = recorder.await??;
    let last = work()?;
    task.settle().await?;
    last.stop()?;

    let accounts = [Accounts::by_calls(&task).await?, Accounts::by_queries(&mut sql, TASK).await?];
    server.stop()?;
    Ok(figure(&accounts, &rows[..n_recorded], &killed, n_kills, &points))
}

/// Where in the life of a run each kill is to fall, 0 to 1: one in each of as many equal parts, in any order.
fn shares(n_kills: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let mut shares: Vec<f64> =
        (0..n_kills).map(|part| (part as f64 + rng.random_range(0.0..1.0)) / n_kills as f64).collect();
    shares.shuffle(rng);
    shares
}

/// Waits until a run that was claimed since has come so far; one that is farther at its claim is left to end.
async fn moment(
    sql: &mut PgConnection,
    last_token: &str,
    share: f64,
    rng: &mut ChaCha8Rng,
) -> anyhow::Result<Leased> {
    let wanted = (share - SHARE_JUST_CLAIMED) / (1.0 - SHARE_JUST_CLAIMED);
    let mut passed_over = last_token.to_owned();
    let mut claimed: Option<Leased> = None;
    loop {
        let now = leased(sql).await?.filter(|now| now.lease_token != passed_over);
        let Some(now) = now else {
            time::sleep(LOOK_INTERVAL).await;
            continue;
        };
        let is_new = claimed.as_ref().is_none_or(|before| before.lease_token != now.lease_token);
        if is_new && wanted >= 0.0 && now.share()? >= wanted {
            passed_over.clone_from(&now.lease_token);
            continue;
        }
        if wanted < 0.0 || now.share()? >= wanted {
            time::sleep(PROGRESS_INTERVAL.mul_f64(rng.random_range(0.0..1.0))).await;
            if let Some(now) = leased(sql).await?.filter(|then| then.lease_token == now.lease_token) {
                return Ok(now);
            }
        }
        claimed = Some(now);
        time::sleep(LOOK_INTERVAL).await;
    }
}

impl Leased {
    /// Of its epochs, as whoever works on it, or did, last said.
    fn share(&self) -> anyhow::Result<f64> {
        #[derive(Deserialize)]
        struct Progress {
            epoch: u32,
            n_epochs: u32,
        }
        let Some(progress) = &self.progress else { return Ok(0.0) };
        let Progress { epoch, n_epochs } = serde_json::from_str(progress)?;
        Ok(f64::from(epoch) / f64::from(n_epochs.max(1)))
    }
}

async fn leased(sql: &mut PgConnection) -> anyhow::Result<Option<Leased>> {
    const LEASED: &str = "
        SELECT run_id,
               lease_token,
               EXISTS (SELECT FROM training_run_states AS states WHERE states.run_id = runs.run_id) AS has_state,
               progress
        FROM training_runs AS runs
        WHERE state = 'running'";
    let row: Option<(i64, String, bool, Option<String>)> = sqlx::query_as(LEASED).fetch_optional(sql).await?;
    Ok(row.map(|(run_id, lease_token, has_state, progress)| Leased {
        run_id,
        lease_token,
        has_state,
        progress,
    }))
}

/// A small batch now and then until it is over: how many rows are recorded then, the first ones included.
async fn record_on(
    task: Arc<WatchedTask>,
    rows: Arc<Vec<Row>>,
    is_over: Arc<AtomicBool>,
) -> anyhow::Result<usize> {
    let mut n_recorded = N_FIRST_ROWS;
    loop {
        time::sleep(BATCH_INTERVAL).await;
        if is_over.load(Ordering::Acquire) {
            return Ok(n_recorded);
        }
        let batch = rows.get(n_recorded..n_recorded + N_ROWS).context("the table is at its end")?;
        task.record(batch).await?;
        n_recorded += N_ROWS;
    }
}

fn figure(
    accounts: &[Accounts; 2],
    rows: &[Row],
    killed: &BTreeSet<i64>,
    n_kills: usize,
    points: &Points,
) -> Figure {
    let [calls, queries] = accounts;
    let n_runs_lost = accounts.each_ref().map(|accounts| accounts.n_runs_lost(killed));
    let n_doubled = accounts.each_ref().map(Accounts::n_versions_doubled);
    let n_lost = accounts.each_ref().map(|accounts| n_observations_lost(&accounts.observations, rows));
    let Points { stateless, later, last_tenth } = points;
    let mut figure = Figure {
        text: format!(
            "{n_kills} kills of the trainer ({stateless} before a run had stored anything, {later} after, of all \
             {last_tenth} in its last tenth), {} runs ({} of them killed), {} observations: by calls and by queries \
             {n_runs_lost:?} runs lost, {n_doubled:?} versions made twice, {n_lost:?} observations lost",
            calls.runs.len(),
            killed.len(),
            rows.len(),
        ),
        ..Figure::default()
    };
    figure.expect(n_runs_lost == [0, 0], "every run ends in success");
    figure.expect(n_doubled == [0, 0], "no run makes or promotes a version twice");
    figure.expect(n_lost == [0, 0], "what was recorded is there, once and as it was sent");
    figure.expect(calls.runs == queries.runs, "calls and queries tell of the same runs");
    figure
}
