//! `tagates zero-cost`

mod cache;
mod measured_table;

use std::collections::HashSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use crate::app::DeviceConfig;
use crate::cli::definition::builtin_or_file;
use crate::cli::rows::condition;
use crate::cli::zero_cost::cache::Cache;
use crate::cli::zero_cost::measured_table::{MeasuredTable, RESERVED};
use crate::cli::{Outcome, jobs_on};
use crate::fit::table::{Row, Selection, rows};
use crate::model::DeviceChoice;
use crate::space::{Architecture, SearchSpace};
use crate::store;
use crate::zero_cost::{Measured, Measurer, Proxy, side_by_side};

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
    #[arg(long, value_name = "FILE", required_unless_present = "cache")]
    out: Option<PathBuf>,
    /// Keep it in a server's database (--database or --data-dir), whose tasks with this proxy and seed then need not
    /// measure these architectures. Those that are there already are not measured again.
    #[arg(long)]
    cache: bool,
    /// What computes: `cpu`, as servers do, `cuda:N` for the GPU of that number, or `auto` for GPU 0 where there is one.
    /// What a GPU measured is for models whose saliencies clients send: servers have no other than their own.
    #[arg(long, value_name = "auto|cpu|cuda:N", default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// Networks side by side, one thread each; by default one for each core. On a GPU one.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZero<usize>>,
    #[command(flatten)]
    store: store::Config,
}

/// An architecture to be measured.
struct Candidate {
    line: u64,
    architecture: Architecture,
    /// Columns to keep.
    kept: Map<String, Value>,
}

impl Candidate {
    /// Checks that the file, where it has the architecture, has its columns to keep as they are.
    fn check_kept(&self, path: &Path, table: &MeasuredTable) -> anyhow::Result<()> {
        let Some(kept) = table.kept(&self.architecture) else { return Ok(()) };
        match self.kept.iter().find(|(column, value)| kept.get(*column) != Some(*value)) {
            None => Ok(()),
            Some((column, value)) => bail!(
                "line {}: {} has this architecture already, and not with {column} {value} (--keep); write to another file",
                self.line,
                path.display()
            ),
        }
    }
}

/// Measures architectures and reports each that cannot be; the others go on.
///
/// # Errors
/// When space, proxy or table cannot be used, or the results cannot be written.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let space = builtin_or_file(&args.space)?;
    let proxy =
        Proxy::read(&args.proxy).with_context(|| format!("could not use {} (--proxy)", args.proxy))?;
    let measurer = Measurer::new(&args.proxy, proxy, args.seed)
        .with_context(|| format!("could not use {} (--proxy)", args.proxy))?;
    measurer.check_space(&space)?;
    if let Some(taken) = args.keep.iter().find(|column| RESERVED.contains(&column.as_str())) {
        bail!("column {taken} is one of the results, rename the one that is to be kept (--keep)");
    }
    let device = DeviceConfig { device: args.device }.open()?;
    let measurer = measurer.on(&device).context("could not use the device (--device)")?;
    if args.cache && !device.is_cpu() {
        bail!("a server measures on the CPU and takes nothing that a GPU did (--cache): give --device cpu");
    }
    if !device.is_cpu() && args.jobs.is_some_and(|jobs| jobs.get() > 1) {
        bail!("a GPU measures one architecture at a time (--jobs)");
    }
    let jobs = args.jobs.unwrap_or_else(|| jobs_on(&device));
    let mut destinations = Destinations::open(args, &measurer)?;
    let candidates =
        args.candidates(&space).with_context(|| format!("could not use {}", args.data.display()))?;
    let n_asked = candidates.len();
    let candidates = destinations.missing(candidates)?;
    eprintln!("{} to measure, {} there already", candidates.len(), n_asked - candidates.len());
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len}, {eta} left").expect("a valid template");
    let bar = ProgressBar::new(candidates.len() as u64).with_style(style);
    let mut outcome = Outcome::Complete;
    let measure = |candidate: &Candidate| {
        let start = Instant::now();
        (measurer.measure(&candidate.architecture), start.elapsed())
    };
    side_by_side(&candidates, jobs, measure, |candidate, (result, duration)| {
        match result {
            Ok(found) => destinations.add(candidate, &measurer, &found, duration)?,
            Err(error) => {
                outcome = Outcome::Partial;
                let error = anyhow::Error::from(error);
                bar.suspend(|| eprintln!("line {}: {error:#}", candidate.line));
            }
        }
        bar.inc(1);
        anyhow::Ok(())
    })?;
    bar.finish();
    Ok(outcome)
}

/// Where results go.
struct Destinations<'a> {
    table: Option<(&'a Path, MeasuredTable)>,
    cache: Option<Cache>,
}

impl<'a> Destinations<'a> {
    fn open(args: &'a Args, measurer: &Measurer) -> anyhow::Result<Self> {
        let origin = measurer.origin();
        let table = args.out.as_deref().map(|path| {
            let table = MeasuredTable::open(path, origin)
                .with_context(|| format!("could not go on with {} (--out)", path.display()))?;
            anyhow::Ok((path, table))
        });
        let cache = args.cache.then(|| Cache::open(&args.store, origin));
        let cache = cache.transpose().context("could not use the database (--cache)")?;
        Ok(Self { table: table.transpose()?, cache })
    }

    /// Those that some destination has nothing of.
    fn missing(&self, mut candidates: Vec<Candidate>) -> anyhow::Result<Vec<Candidate>> {
        let architectures: Vec<_> = candidates.iter().map(|it| it.architecture.clone()).collect();
        let mut is_missing = match &self.cache {
            Some(cache) => cache.has(&architectures)?.into_iter().map(|has| !has).collect(),
            None => vec![false; candidates.len()],
        };
        if let Some((path, table)) = &self.table {
            for (is_missing, architecture) in is_missing.iter_mut().zip(&architectures) {
                *is_missing |= table.kept(architecture).is_none();
            }
            candidates.iter().try_for_each(|candidate| candidate.check_kept(path, table))?;
        }
        let mut is_missing = is_missing.into_iter();
        candidates.retain(|_| is_missing.next().is_some_and(|is_missing| is_missing));
        Ok(candidates)
    }

    fn add(
        &mut self,
        candidate: &Candidate,
        measurer: &Measurer,
        found: &Measured,
        duration: Duration,
    ) -> anyhow::Result<()> {
        let Candidate { architecture, kept, .. } = candidate;
        if let Some((path, table)) = &mut self.table
            && table.kept(architecture).is_none()
        {
            let could_not = || format!("could not write {} (--out)", path.display());
            table.append(architecture, kept, measurer, found, duration).with_context(could_not)?;
        }
        if let Some(cache) = &self.cache {
            cache
                .insert(architecture, &found.operations)
                .context("could not write the database (--cache)")?;
        }
        Ok(())
    }
}

impl Args {
    /// The selected architectures, each once.
    fn candidates(&self, space: &Arc<SearchSpace>) -> anyhow::Result<Vec<Candidate>> {
        let selection = Selection { conditions: self.conditions.clone(), skip: self.skip, first: self.first };
        let mut seen = HashSet::new();
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
