//! From nothing: rows of a table observed in steps, the service retraining and promoting by itself, and its
//! live predictions beside those of a `tagates train` on the rows that the champion was trained on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use tagates::domain::{Holdout, Task};
use tagates::metrics::kendall_tau;
use tagates::pb;

use crate::Figure;
use crate::databases::{Database, Kind};
use crate::learning::plot::{Line, draw};
use crate::learning::rows::{COLUMN, Row, read, write};
use crate::learning::watched_task::WatchedTask;
use crate::processes::Tagates;
use crate::service::connect;

const TASK: &str = "closed-loop";
/// How far live predictions may rank worse than those of a training outside the service.
const MAX_TAU_LOSS: f64 = 0.02;
/// As the service calibrates: it changes nothing in the order of scores.
const N_FOLDS: &str = "2";

#[derive(clap::Args)]
pub struct Arguments {
    /// CSV with columns `arch`, `c10_test_200`, `split`.
    table: PathBuf,
    /// `train` rows observed after each step.
    #[arg(long, value_delimiter = ',', default_values_t = [78, 390, 781, 3_906])]
    steps: Vec<usize>,
    #[arg(long, default_value_t = 0.25)]
    holdout_share: f64,
    /// Runs start from new weights, and not from the champion's.
    #[arg(long)]
    from_scratch: bool,
    /// Threads that train, in the service and outside it.
    #[arg(long, default_value = "2")]
    threads: String,
    /// SVG of tau over rows.
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// What one step came to.
struct Step {
    n_rows: usize,
    /// Rows that the champion was trained on.
    n_trained_on: usize,
    decision: String,
    live_tau: f64,
    trained_tau: f64,
    seconds: f64,
}

pub async fn observe_in_steps(tagates: &Tagates, arguments: &Arguments) -> anyhow::Result<Figure> {
    let (rows, test) = (read(&arguments.table, "train")?, read(&arguments.table, "test")?);
    let last = arguments.steps.last().context("no steps")?;
    ensure!(*last <= rows.len(), "the table has {} train rows, fewer than {last}", rows.len());
    let database = Database::new(Kind::Sqlite)?;
    let flags = ["--training-threads".to_owned(), arguments.threads.clone()];
    let server = tagates.serve_and_train(&[&database.flags()[..], &flags].concat())?;
    let policy = pb::RetrainingPolicy {
        cool_down_s: Some(0),
        starts_warm: Some(!arguments.from_scratch),
        ..pb::RetrainingPolicy::default()
    };
    let channel = connect(&server.url()).await?;
    let task = WatchedTask::create(channel, TASK, arguments.holdout_share, policy).await?;

    let mut steps = Vec::new();
    let mut n_before = 0;
    println!("| rows observed | trained on | decision | live tau | `tagates train` | retrained in |");
    println!("|---|---|---|---|---|---|");
    for &n_rows in &arguments.steps {
        let started = Instant::now();
        task.record(&rows[n_before..n_rows]).await?;
        n_before = n_rows;
        let step = measure(tagates, arguments, &task, &rows, &test, started).await?;
        let Step { n_trained_on, decision, live_tau, trained_tau, seconds, .. } = &step;
        println!(
            "| {n_rows} | {n_trained_on} | {decision} | {live_tau:.4} | {trained_tau:.4} | {seconds:.0} s |"
        );
        steps.push(step);
    }
    server.stop()?;
    if let Some(path) = &arguments.plot {
        plot(path, &steps)?;
    }
    Ok(figure(&steps))
}

/// Waits for the champion that the step brings, and compares it.
async fn measure(
    tagates: &Tagates,
    arguments: &Arguments,
    task: &WatchedTask,
    rows: &[Row],
    test: &[Row],
    started: Instant,
) -> anyhow::Result<Step> {
    let run = task.settle().await?;
    let seconds = started.elapsed().as_secs_f64();
    let n_rows = usize::try_from(run.up_to.context("a run that saw nothing")?)?;
    let decided = task.version(run.model_version()).await?.is_champion;

    let live = task.predict(test).await.context("no champion after the run")?;
    // One client recorded the rows in their order, so that a row's number is its place.
    let up_to = task.version(&live.version).await?.trained_up_to.context("a champion trained on nothing")?;
    let trained_on = training_rows(&rows[..usize::try_from(up_to)?], arguments.holdout_share)?;
    let offline = train(tagates, arguments, &trained_on, test)?;
    Ok(Step {
        n_rows,
        n_trained_on: trained_on.len(),
        decision: if decided { "promoted" } else { "kept the champion" }.to_owned(),
        live_tau: tau(&live.scores, test)?,
        trained_tau: tau(&offline, test)?,
        seconds,
    })
}

/// The rows that the task's rule does not keep back, in the order in which the service trains on them.
fn training_rows(rows: &[Row], holdout_share: f64) -> anyhow::Result<Vec<Row>> {
    let space = Task::nasbench201_cifar10().space;
    let holdout = Holdout::new(format!("{TASK}/1"), holdout_share)?;
    let mut kept = Vec::new();
    for row in rows {
        if !holdout.contains(&space.parse(&row.cell)?.canonical().id) {
            kept.push(row.clone());
        }
    }
    kept.sort_by(|a, b| a.cell.cmp(&b.cell));
    Ok(kept)
}

/// The scores of a predictor trained on the command line.
fn train(tagates: &Tagates, arguments: &Arguments, rows: &[Row], test: &[Row]) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (table, checkpoint, cells) = (path("rows.csv"), path("trained.safetensors"), path("cells.txt"));
    write(Path::new(&table), rows)?;
    let threads = &arguments.threads;
    tagates.output(&[
        "train",
        "--data",
        &table,
        "--target",
        COLUMN,
        "--folds",
        N_FOLDS,
        "--threads",
        threads,
        "--out",
        &checkpoint,
    ])?;
    let lines: Vec<&str> = test.iter().map(|row| row.cell.as_str()).collect();
    fs::write(&cells, lines.join("\n"))?;
    let said = tagates.output(&["predict", "--checkpoint", &checkpoint, "--input", &cells])?;
    let score = |line: &str| line.split('\t').next().and_then(|score| score.parse().ok());
    said.lines().map(|line| score(line).with_context(|| format!("no score in {line:?}"))).collect()
}

fn tau(scores: &[f64], rows: &[Row]) -> anyhow::Result<f64> {
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    ensure!(scores.len() == values.len(), "{} scores of {} rows", scores.len(), values.len());
    kendall_tau(scores, &values).context("scores without an order")
}

fn plot(path: &Path, steps: &[Step]) -> anyhow::Result<()> {
    let line = |name, tau: fn(&Step) -> f64| Line {
        name,
        points: steps.iter().map(|step| (step.n_rows as f64, tau(step))).collect(),
    };
    let lines = [
        line("live predictions", |step| step.live_tau),
        line("tagates train on the champion's rows", |step| step.trained_tau),
    ];
    draw(path, "rows observed", "Kendall's tau on test rows", &lines)
}

fn figure(steps: &[Step]) -> Figure {
    let taus: Vec<String> =
        steps.iter().map(|step| format!("{} rows {:.4}", step.n_rows, step.live_tau)).collect();
    let losses = steps.iter().map(|step| step.trained_tau - step.live_tau);
    let largest = losses.fold(f64::NEG_INFINITY, f64::max);
    let mut figure = Figure {
        text: format!("live tau after {}; behind tagates train by {largest:.4} at most", taus.join(", ")),
        ..Figure::default()
    };
    let grows = steps.is_sorted_by(|before, after| before.live_tau < after.live_tau);
    figure.expect(grows, "each step ranks better than the one before");
    figure.expect(
        largest <= MAX_TAU_LOSS,
        &format!("no step is more than {MAX_TAU_LOSS} behind tagates train"),
    );
    figure
}
