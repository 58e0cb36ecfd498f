//! `tagates reproduce`

use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::app::DeviceConfig;
use crate::cli::interrupt::until_interrupted;
use crate::cli::jobs_on;
use crate::cli::output::Output;
use crate::cli::whole_file::write_whole;
use crate::experiments::{self, Grid, Journal, Outcome, Results, Tables};

/// Which grid, on which table, and where its figures go.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Grid of encoders and training sets: the name of a built-in one, or a TOML file.
    #[arg(value_name = "GRID|FILE")]
    grid: String,
    /// Table with a row for each architecture: .csv with a header, or .jsonl.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Runs of each encoder and size at most, of those the grid names; the table shows these alone.
    #[arg(long, value_name = "N")]
    runs: Option<NonZero<usize>>,
    #[command(flatten)]
    device: DeviceConfig,
    /// Trials side by side, one thread each; by default one for each core, on a GPU one.
    #[arg(long, value_name = "J")]
    jobs: Option<NonZero<usize>>,
    /// Folder of figures. The same command goes on from the trials that are there.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs a grid of experiments and prints its table. Ctrl-C stops; what is done is kept.
///
/// # Errors
/// When the grid or the table cannot be used, a trial fails, or it was interrupted.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<()> {
    until_interrupted(move |stop| reproduce(&args, stop))
}

fn reproduce(args: &Args, stop: &AtomicBool) -> anyhow::Result<()> {
    let grid = Grid::read(&args.grid).with_context(|| format!("could not use {}", args.grid))?;
    let grid = grid.with_runs(args.runs.unwrap_or(NonZero::<usize>::MAX));
    let tables =
        Tables::read(&grid, &args.data).with_context(|| format!("{} (--data)", args.data.display()))?;
    fs::create_dir_all(&args.out)
        .with_context(|| format!("could not make the folder {} (--out)", args.out.display()))?;
    let mut journal = Journal::open(&args.out.join("trials.jsonl"))?;
    let device = args.device.open()?;
    let n_jobs = args.jobs.unwrap_or_else(|| jobs_on(&device));
    let trials = grid.trials(&tables)?;
    let bar = Bar::new(trials.len());
    let ended = experiments::run(&grid, &tables, &mut journal, (&device, n_jobs), stop, &bar);
    bar.0.finish_and_clear();

    // What is done is shown, whatever became of the rest.
    let results = Results::new(&grid, &trials, &journal);
    let table = experiments::markdown(&results);
    let write = |name: &str, text: &str| {
        let path = args.out.join(name);
        write_whole(&path, text.as_bytes()).with_context(|| format!("could not write {}", path.display()))
    };
    write("table.md", &table)?;
    write("figures.csv", &experiments::csv(&results))?;
    experiments::plots(&results, &args.out)?;
    let mut out = Output::stdout();
    out.line(table.trim_end())?;
    out.flush()?;
    ended?;
    if stop.load(Ordering::Relaxed) {
        bail!("interrupted; the same command goes on from {}", args.out.display());
    }
    Ok(())
}

/// The trials on the terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new(n_trials: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} trials {msg}, {eta} left")
            .expect("a valid template");
        Self(ProgressBar::new(n_trials as u64).with_style(style))
    }
}

impl experiments::Progress for Bar {
    fn done(&self, outcome: Option<&Outcome>) {
        if let Some(Outcome { trial, targets }) = outcome {
            let tau = targets.last().map_or(0.0, |target| target.tau);
            self.0.set_message(format!("({}, {} rows: tau {tau:.3})", trial.encoder, trial.n));
        }
        self.0.inc(1);
    }
}
