//! `tagates zero-cost`

mod measured_table;

use std::collections::HashSet;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use crate::cli::definition::builtin_or_file;
use crate::cli::rows::condition;
use crate::cli::zero_cost::measured_table::{MeasuredTable, RESERVED};
use crate::cli::{Outcome, available_threads};
use crate::fit::table::{Row, Selection, rows};
use crate::space::{Architecture, SearchSpace};
use crate::zero_cost::{Error, Measured, Proxy, check_space, measure};

/// Candle walks a network's layers by recursion, and some have thousands.
const STACK_SIZE_BYTES: usize = 64 << 20;

/// Which architectures are measured how.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Table with a row for each architecture: .csv with a header, or .jsonl.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Column with the architecture in its space's notation; where there is none, the fields of the notation's JSON
    /// object may be columns.
    #[arg(long, value_name = "COLUMN", default_value = "arch")]
    arch_column: String,
    /// Only rows with this text in this column; may be given several times.
    #[arg(long = "where", value_name = "COLUMN=TEXT", value_parser = condition)]
    conditions: Vec<(String, String)>,
    /// Pass over so many of the rows that are left.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Then take so many, going on from the first one where the table ends.
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// Search space of the architectures.
    #[arg(long, value_name = "NAME", default_value = "nasbench201")]
    space: String,
    /// Size of the networks and of the mini-batch: `full`, `small`, or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "small")]
    proxy: String,
    /// Weights, images and classes come from here: the same seed measures the same.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Columns of the table to keep beside what was measured, as labels that `train` needs.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    keep: Vec<String>,
    /// Where it goes, a JSON object a line: `arch`, `saliencies` (a row of metrics for each operation as written, for
    /// `train --saliencies saliencies`), `network` (the metrics of the whole network), each as sign(x) ln(1 + |x|) of a
    /// sum x over weights. Architectures that are there already are not measured again.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Networks side by side, one thread each.
    #[arg(long, value_name = "N", default_value_t = available_threads())]
    jobs: NonZero<usize>,
}

/// An architecture to be measured.
struct Candidate {
    line: u64,
    architecture: Architecture,
    /// Columns to keep.
    kept: Map<String, Value>,
}

/// Measures architectures and reports each that cannot be; the others go on.
///
/// # Errors
/// When space, proxy or table cannot be used, or the results cannot be written.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let space = builtin_or_file(&args.space)?;
    let proxy =
        Proxy::read(&args.proxy).with_context(|| format!("could not use {} (--proxy)", args.proxy))?;
    check_space(&space, &proxy)?;
    if let Some(taken) = args.keep.iter().find(|column| RESERVED.contains(&column.as_str())) {
        bail!("column {taken} is one of the results, rename the one that is to be kept (--keep)");
    }
    let mut table = MeasuredTable::open(&args.out, &args.proxy, args.seed)
        .with_context(|| format!("could not go on with {} (--out)", args.out.display()))?;
    let candidates = args
        .candidates(&space, table.architectures())
        .with_context(|| format!("could not use {}", args.data.display()))?;
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len}, {eta} left").expect("a valid template");
    let bar = ProgressBar::new(candidates.len() as u64).with_style(style);
    let mut outcome = Outcome::Complete;
    measure_all(&candidates, &proxy, args, |candidate, measured, duration| {
        match measured {
            Ok(measured) => {
                let could_not = || format!("could not write {} (--out)", args.out.display());
                table
                    .append(&candidate.architecture, &candidate.kept, &proxy, &measured, duration)
                    .with_context(could_not)?;
            }
            Err(error) => {
                outcome = Outcome::Partial;
                let error = anyhow::Error::from(error);
                bar.suspend(|| eprintln!("line {}: {error:#}", candidate.line));
            }
        }
        bar.inc(1);
        Ok(())
    })?;
    bar.finish();
    Ok(outcome)
}

impl Args {
    /// The selected architectures that have not been measured, each once.
    fn candidates(
        &self,
        space: &Arc<SearchSpace>,
        measured: &HashSet<String>,
    ) -> anyhow::Result<Vec<Candidate>> {
        let selection = Selection { conditions: self.conditions.clone(), skip: self.skip, first: self.first };
        let mut seen = measured.clone();
        let mut candidates = Vec::new();
        for row in selection.pick(rows(&self.data)?)? {
            let candidate = self.candidate(&row, space)?;
            if seen.insert(candidate.architecture.text().to_owned()) {
                candidates.push(candidate);
            }
        }
        Ok(candidates)
    }

    fn candidate(&self, row: &Row, space: &Arc<SearchSpace>) -> anyhow::Result<Candidate> {
        let text = row.architecture(&self.arch_column, space.text_fields())?;
        let architecture = space.parse(&text).with_context(|| format!("line {}", row.line))?;
        let kept = self.keep.iter().map(|column| Ok((column.clone(), row.field(column)?.clone())));
        Ok(Candidate { line: row.line, architecture, kept: kept.collect::<anyhow::Result<_>>()? })
    }
}

/// Measures side by side, and hands over each result as it comes.
fn measure_all(
    candidates: &[Candidate],
    proxy: &Proxy,
    args: &Args,
    mut hand_over: impl FnMut(&Candidate, Result<Measured, Error>, Duration) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::sync_channel(args.jobs.get());
    let work = |sender: mpsc::SyncSender<_>| {
        while let Some(candidate) = candidates.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let measured = measure(&candidate.architecture, proxy, args.seed);
            if sender.send((candidate, measured, start.elapsed())).is_err() {
                return; // Whoever takes results has given up.
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..args.jobs.get().min(candidates.len()) {
            let (work, sender) = (&work, sender.clone());
            thread::Builder::new()
                .stack_size(STACK_SIZE_BYTES)
                .spawn_scoped(scope, move || work(sender))
                .context("could not start a thread (--jobs)")?;
        }
        drop(sender);
        results
            .into_iter()
            .try_for_each(|(candidate, measured, duration)| hand_over(candidate, measured, duration))
    })
}
