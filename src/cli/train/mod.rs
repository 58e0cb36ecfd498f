//! `tagates train`

mod progress;
mod report;

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, anyhow, bail};

use crate::app::DeviceConfig;
use crate::cli::definition::builtin_or_file;
use crate::cli::interrupt::until_interrupted;
use crate::cli::jobs_on;
use crate::cli::output::Output;
use crate::cli::rows::{RowArgs, condition};
use crate::cli::train::progress::{Progress, RunStates};
use crate::cli::train::report::Report;
use crate::cli::whole_file::write_whole;
use crate::domain::{Budget, Holdout, Task, TaskName};
use crate::fit::{Dataset, FitConfig, Plan, Target};
use crate::model::{Checkpoint, HoldoutRule};
use crate::space::SaliencyOrigin;

/// What to train on, how, and where the checkpoint goes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    rows: RowArgs,
    /// Column of labels.
    #[arg(long, value_name = "COLUMN", required_unless_present = "budgets", conflicts_with = "budgets")]
    target: Option<String>,
    /// Columns of labels after ascending training budgets, one time step each; a number at the end of a
    /// name, as in `acc_200`, is the budget in epochs.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    budgets: Vec<String>,
    /// Search space of the architectures: a built-in one, or a file that defines one.
    #[arg(long, value_name = "NAME|FILE", default_value = "nasbench201")]
    space: String,
    /// Train for this task: its holdout is kept back and reported on.
    #[arg(long)]
    task: Option<String>,
    /// Configuration: the name of a built-in one, or a TOML file; by default the one of the space, or of the
    /// built-in space most like it.
    #[arg(long, value_name = "NAME|FILE")]
    config: Option<String>,
    /// All chance comes from here: the same command writes the same file.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Calibrate scores to the unit of the labels on so many folds; without, they mean order only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=100))]
    folds: Option<u16>,
    /// Start from the weights of this checkpoint, of the same model, members and budgets, and not from new ones.
    #[arg(long, value_name = "FILE")]
    start_from: Option<PathBuf>,
    /// Report the rank correlation on these rows over the last five epochs.
    #[arg(long, value_name = "COLUMN=TEXT", value_parser = condition)]
    validate: Option<(String, String)>,
    /// Where the checkpoint goes. An interrupted training leaves FILE.partial, which the same command
    /// goes on from.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceConfig,
    /// Threads: trainings go side by side, one with all rows and one without each fold, and where there are as many
    /// threads for each, the members of an ensemble. By default one for each core, on a GPU one.
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// Trains, and prints what came of it. Ctrl-C stops after the current epoch.
///
/// # Errors
/// When the data, the configuration or an earlier partial training cannot be used, training fails, or it
/// was interrupted.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<()> {
    until_interrupted(move |stop| train(&args, stop))
}

fn train(args: &Args, stop: &AtomicBool) -> anyhow::Result<()> {
    let space = builtin_or_file(&args.space)?;
    let task = args.task.as_deref().map(known_task).transpose()?;
    let targets = targets(args, task.as_ref())?;
    let config = match &args.config {
        Some(name) => FitConfig::read(name).with_context(|| format!("could not use {name} (--config)"))?,
        None => FitConfig::default_for(&space, targets.len()),
    };
    args.rows.check_saliencies(&config.model)?;
    if args.rows.has_saliencies() && config.model.n_metrics_taken().is_none() {
        bail!(
            "the configuration's model takes no saliencies (--saliencies): its encoder needs symmetry_breaking = \
             {{ add = {{ n_metrics = 7, beta = 0.5 }} }} or {{ concat = {{ n_metrics = 7 }} }}, or its features n_metrics"
        );
    }
    let goal_and_unit = args.rows.goal_and_unit(task.as_ref())?;
    let rows = args.rows.read(&space, &targets, goal_and_unit)?;
    let origin = args.rows.saliency_origin()?;
    let (dataset, holdout) = match &task {
        Some(task) if task.space.name != space.name => {
            bail!("task {} is of space {}, not {} (--task, --space)", task.name, task.space.name, space.name)
        }
        Some(task) => rows.split(&task.holdout),
        None => (rows, Dataset::empty(&space, &targets, goal_and_unit)),
    };
    let validation = match &args.validate {
        Some(condition) => Some(args.rows.read_where(&space, &targets, goal_and_unit, condition)?),
        None => None,
    };

    let start = match &args.start_from {
        Some(path) => {
            let named = || format!("{} (--start-from)", path.display());
            let checkpoint = Checkpoint::read(path).with_context(named)?;
            RowArgs::check_origin(origin.as_ref(), checkpoint.header()).with_context(named)?;
            Some(checkpoint)
        }
        None => None,
    };
    let states = RunStates::beside(&args.out)?;
    let progress = Progress::new(&config, states, validation.as_ref(), stop);
    let device = args.device.open()?;
    let n_threads = args.threads.unwrap_or_else(|| jobs_on(&device));
    let plan = Plan {
        config: &config,
        dataset: &dataset,
        seed: args.seed,
        n_folds: args.folds.map(usize::from),
        may_stay_uncalibrated: false,
        start: start.as_ref(),
        device: &device,
        n_threads,
    };
    let Some(checkpoint) = plan.fit(&progress)? else {
        bail!("interrupted; the same command goes on from {}", progress.states().directory().display());
    };
    let report = Report::new(&checkpoint, &dataset, &holdout, &progress, (&device, n_threads))?;
    let checkpoint = described(&checkpoint, task.as_ref(), origin, &report)?;
    write_whole(&args.out, checkpoint.as_bytes())
        .with_context(|| format!("could not write {} (--out)", args.out.display()))?;
    progress.states().remove()?;
    let mut out = Output::stdout();
    out.line(report)?;
    out.line(format_args!("wrote {}, {} bytes", args.out.display(), checkpoint.as_bytes().len()))?;
    out.flush()
}

fn known_task(name: &str) -> anyhow::Result<Task> {
    let name = TaskName::new(name).context("--task")?;
    Task::builtin(&name).ok_or_else(|| anyhow!("task {name} is not known (--task)"))
}

/// The columns of labels, with the budgets of the task where there is one.
fn targets(args: &Args, task: Option<&Task>) -> anyhow::Result<Vec<Target>> {
    let columns = if args.budgets.is_empty() { args.target.as_slice() } else { &args.budgets };
    let targets: Vec<Target> = columns.iter().map(|column| Target::of_column(column)).collect();
    let ascend = |a: &Target, b: &Target| a.budget.is_some() && a.budget < b.budget;
    if !targets.is_sorted_by(ascend) {
        bail!("columns do not end with ascending budgets, as in acc_12,acc_200 (--budgets)");
    }
    if let Some(task) = task {
        let budgets: Vec<_> = targets.iter().filter_map(|target| target.budget).collect();
        if budgets != task.budgets {
            let listed = |budgets: &[Budget]| {
                let texts: Vec<String> = budgets.iter().map(Budget::to_string).collect();
                if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
            };
            let (expected, found) = (listed(&task.budgets), listed(&budgets));
            bail!("task {} has budgets {expected}, the columns have {found} (--budgets)", task.name);
        }
    }
    Ok(targets)
}

/// The checkpoint with what it was trained for and on, and how it does.
fn described(
    checkpoint: &Checkpoint,
    task: Option<&Task>,
    saliencies: Option<SaliencyOrigin>,
    report: &Report,
) -> anyhow::Result<Checkpoint> {
    let rule = |holdout: &Holdout| HoldoutRule { salt: holdout.salt().to_owned(), share: holdout.share() };
    let mut header = checkpoint.header().clone();
    header.task = task.map(|task| task.name.to_string());
    header.holdout = task.map(|task| rule(&task.holdout));
    header.saliencies = saliencies;
    header.report = serde_json::to_value(report).context("could not write the report")?;
    checkpoint.with_header(&header).context("could not describe the checkpoint")
}
