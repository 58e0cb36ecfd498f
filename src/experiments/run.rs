//! Runs the trials of a grid side by side.

use std::borrow::Cow;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use candle_core::Device;
use sha2::{Digest, Sha256};

use crate::experiments::{Encoder, Grid, GridError, Journal, JournalError, Outcome, Trial, TrialError};
use crate::fit::table::Selection;
use crate::fit::{Dataset, DatasetError};
use crate::model::for_another_thread;

/// The rows a grid is about.
#[derive(Clone, Debug)]
pub struct Tables {
    /// To train on.
    pub training: Dataset,
    /// To rank.
    pub test: Dataset,
    /// SHA-256 of all rows.
    pub digest: String,
}

/// Why a grid was not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its configurations cannot be used.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// A training set that the table has not.
    #[error("sizes: a training set of {n} rows from row {start} on cannot be made of {n_rows}")]
    NoTrainingSet {
        /// Rows of it.
        n: usize,
        /// Rows passed over.
        start: usize,
        /// Rows there are.
        n_rows: usize,
    },
    /// An encoder is to see a metric that the table has not.
    #[error(
        "encoders: {encoder}: saliency_metrics are {metrics:?}, and rows have {n_metrics}, counted from 0"
    )]
    NoMetric {
        /// Its name.
        encoder: String,
        /// What it is to see.
        metrics: Vec<usize>,
        /// Metrics there are.
        n_metrics: usize,
    },
    /// A trial failed.
    #[error("{} on {} rows from row {}, seed {}", trial.encoder, trial.n, trial.start, trial.seed)]
    Trial {
        /// Which one.
        trial: Box<Trial>,
        /// Why.
        source: TrialError,
    },
    /// The device gave no stream.
    #[error("could not use the device")]
    Device(#[from] candle_core::Error),
    /// An outcome could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Rows of a table that a grid asks for and that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{field} = [{column:?}, {text:?}]")]
pub struct RowsError {
    field: &'static str,
    column: String,
    text: String,
    source: Box<DatasetError>,
}

/// Learns what becomes of trials. Called from several threads.
pub trait Progress: Sync {
    /// A trial is done, or was before.
    fn done(&self, outcome: Option<&Outcome>);
}

impl Tables {
    /// The rows of the table at `path` that the grid is about.
    ///
    /// # Errors
    /// When the table cannot be read, has no such rows, or one of them cannot be used.
    pub fn read(grid: &Grid, path: &Path) -> Result<Self, RowsError> {
        let read = |field, condition: &(String, String)| {
            let selection = Selection { conditions: vec![condition.clone()], ..Selection::default() };
            let (space, goal_and_unit) = (grid.search_space(), grid.goal_and_unit());
            Dataset::read(path, &selection, &grid.columns(), &space, goal_and_unit).map_err(|source| {
                let (column, text) = condition.clone();
                RowsError { field, column, text, source: Box::new(source) }
            })
        };
        Ok(Self::new(read("training_rows", &grid.training_rows)?, read("test_rows", &grid.test_rows)?))
    }

    /// Rows to train on and rows to rank.
    #[must_use]
    pub fn new(training: Dataset, test: Dataset) -> Self {
        let mut hash = Sha256::new();
        for dataset in [&training, &test] {
            hash.update(format!("{} {:?}\n", dataset.space.name, dataset.unit));
            for example in &dataset.examples {
                hash.update(format!("{} {:?}\n", example.architecture, example.labels));
                if let Some(saliencies) = &example.saliencies {
                    hash.update(format!("{saliencies:?}\n"));
                }
            }
        }
        Self { digest: format!("{:x}", hash.finalize()), training, test }
    }
}

/// Runs the trials that the journal has not, on a device, `n_jobs` side by side with one thread each, until all are done or `stop`
/// is set.
///
/// # Errors
/// When a trial fails or its outcome cannot be kept; the others end first.
///
/// # Panics
/// Never, unless a trial does.
pub fn run(
    grid: &Grid,
    tables: &Tables,
    journal: &mut Journal,
    (device, n_jobs): (&Device, NonZero<usize>),
    stop: &AtomicBool,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    let methods = grid.methods()?;
    let trials = grid.trials(tables)?;
    let n_rows = tables.training.examples.len();
    if let Some(&Trial { n, start, .. }) =
        trials.iter().find(|trial| trial.n > n_rows || trial.start >= n_rows)
    {
        return Err(RunError::NoTrainingSet { n, start, n_rows });
    }
    let seen = grid.encoders.iter().map(|encoder| seen_by(encoder, tables)).collect::<Result<Vec<_>, _>>()?;
    let (done, due): (Vec<Trial>, Vec<Trial>) = trials.into_iter().partition(|trial| journal.has(trial));
    for _ in &done {
        progress.done(None);
    }

    let (next, journal, has_failed) = (AtomicUsize::new(0), Mutex::new(journal), AtomicBool::new(false));
    let try_one = |trial: &Trial, device: &Device| {
        let index = grid.encoders.iter().position(|encoder| encoder.name == trial.encoder);
        let index = index.expect("trials are of the grid's encoders");
        let training = trial.training_set(&seen[index].training);
        let (apart, sets) = (grid.encoders[index].each_target_apart, (&training, &seen[index].test));
        let failed = |source| RunError::Trial { trial: Box::new(trial.clone()), source };
        if let Some(outcome) = trial.outcome(&methods[index], apart, sets, device, stop).map_err(failed)? {
            journal.lock().unwrap_or_else(PoisonError::into_inner).add(outcome.clone())?;
            progress.done(Some(&outcome));
        }
        Ok::<_, RunError>(())
    };
    let work = || {
        let device = for_another_thread(device)?;
        while !stop.load(Ordering::Relaxed) && !has_failed.load(Ordering::Relaxed) {
            let Some(trial) = due.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            try_one(trial, &device).inspect_err(|_| has_failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n_jobs.get()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("trials do not panic"))
    })
}

/// What an encoder sees of the tables: of each operation the metrics that are named for it.
fn seen_by<'a>(encoder: &Encoder, tables: &'a Tables) -> Result<Cow<'a, Tables>, RunError> {
    let Some(metrics) = &encoder.saliency_metrics else { return Ok(Cow::Borrowed(tables)) };
    let mut tables = tables.clone();
    let examples = tables.training.examples.iter_mut().chain(&mut tables.test.examples);
    for saliencies in examples.filter_map(|example| example.saliencies.as_mut()) {
        *saliencies = saliencies.of_metrics(metrics).ok_or_else(|| RunError::NoMetric {
            encoder: encoder.name.clone(),
            metrics: metrics.clone(),
            n_metrics: saliencies.n_metrics(),
        })?;
    }
    Ok(Cow::Owned(tables))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::Example;
    use crate::space::Saliencies;

    const TREES: &str = "surrogate = \"boosting\"";

    /// One row, on cells of NAS-Bench-201 that have three metrics an edge.
    fn grid(encoder: &str) -> Grid {
        let text = format!(
            r#"
            title = "One row"
            space = "nasbench201"
            targets = ["accuracy"]
            unit = "percent"
            saliency_column = "saliencies"
            training_rows = ["split", "train"]
            test_rows = ["split", "test"]
            sizes = [{{ n = 20, starts = [0, 10], seeds = [1] }}]
            [[encoders]]
            name = "row"
            {encoder}
            "#
        );
        Grid::parse(&text).expect("valid")
    }

    /// GATES, trained for an epoch, which sees two of the metrics.
    fn gates_seeing(metrics: &str) -> Grid {
        grid(&format!(
            r#"
            config = "paper/gates-nasbench201"
            saliency_metrics = {metrics}
            [encoders.change]
            n_epochs = 1
            model.encoder.ta_gates = {{ symmetry_breaking = {{ concat = {{ n_metrics = 2 }} }} }}
            "#
        ))
    }

    fn tables(grid: &Grid) -> Tables {
        let dataset = |seed| {
            let examples = grid.search_space().sample(30, seed).into_iter().enumerate();
            let examples = examples.map(|(index, architecture)| Example {
                class: architecture.canonical().id,
                architecture,
                saliencies: Some(Saliencies::new(3, (0..18).map(f64::from).collect()).expect("six edges")),
                labels: vec![Some(index as f64)],
                infeasible: Vec::new(),
            });
            let empty = Dataset::empty(&grid.search_space(), &grid.columns().targets, grid.goal_and_unit());
            Dataset { examples: examples.collect(), ..empty }
        };
        Tables::new(dataset(0), dataset(1))
    }

    /// How many trials came to an outcome now, and how many had before.
    #[derive(Default)]
    struct Counted {
        now: AtomicUsize,
        before: AtomicUsize,
    }

    impl Progress for Counted {
        fn done(&self, outcome: Option<&Outcome>) {
            let counter = if outcome.is_some() { &self.now } else { &self.before };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn run_in(folder: &Path, grid: &Grid) -> Result<(usize, usize), RunError> {
        let mut journal = Journal::open(&folder.join("trials.jsonl")).expect("a folder of its own");
        let counted = Counted::default();
        let on = (&Device::Cpu, NonZero::<usize>::MIN);
        run(grid, &tables(grid), &mut journal, on, &AtomicBool::new(false), &counted)?;
        Ok((counted.now.into_inner(), counted.before.into_inner()))
    }

    #[test]
    fn trials_are_run_once() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(run_in(folder.path(), &grid(TREES)).expect("trees"), (2, 0));
        assert_eq!(run_in(folder.path(), &grid(TREES)).expect("trees"), (0, 2));
        assert_eq!(run_in(folder.path(), &gates_seeing("[0, 2]")).expect("two metrics"), (2, 0));
        assert_eq!(run_in(folder.path(), &gates_seeing("[0, 1]")).expect("two others"), (2, 0));
    }

    #[test]
    fn an_encoder_sees_the_metrics_named_for_it() {
        let grid = gates_seeing("[2, 0]");
        let tables = tables(&grid);
        let seen = seen_by(&grid.encoders[0], &tables).expect("there are three");
        let saliencies = seen.test.examples[0].saliencies.as_ref().expect("every example has them");
        assert_eq!((saliencies.n_metrics(), saliencies.operation(1)), (2, [5.0, 3.0].as_slice()));
    }

    #[test]
    fn rows_that_a_table_has_not_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("table.csv");
        let cell = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|";
        std::fs::write(&path, format!("arch,accuracy,split,saliencies\n{cell},1,train,\n"))
            .expect("writable");
        let error = Tables::read(&grid(TREES), &path).expect_err("nothing to rank");
        assert_eq!(error.to_string(), "test_rows = [\"split\", \"test\"]");
    }

    #[test]
    fn a_training_set_that_starts_behind_the_table_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut grid = grid(TREES);
        grid.sizes[0].starts.push(30);
        let one = NonZero::<usize>::MIN;
        assert_eq!(run_in(folder.path(), &grid.clone().with_runs(one)).expect("not this one"), (1, 0));
        let error = run_in(folder.path(), &grid).unwrap_err();
        assert_eq!(error.to_string(), "sizes: a training set of 20 rows from row 30 on cannot be made of 30");
    }

    #[test]
    fn a_metric_that_the_table_has_not_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = run_in(folder.path(), &gates_seeing("[0, 3]")).unwrap_err();
        let message = "encoders: row: saliency_metrics are [0, 3], and rows have 3, counted from 0";
        assert_eq!(error.to_string(), message);
    }
}
