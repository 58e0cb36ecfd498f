//! Runs the trials of a grid side by side.

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use candle_core::Device;
use sha2::{Digest, Sha256};

use crate::experiments::{Grid, GridError, Journal, JournalError, Outcome, Trial};
use crate::fit::table::Selection;
use crate::fit::{Dataset, DatasetError, FitError};
use crate::model::for_another_thread;

/// The rows a grid is about.
#[derive(Debug)]
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
    #[error("sizes: training sets of {n} rows cannot be made of {n_rows}")]
    TooFewRows {
        /// Rows of a training set.
        n: usize,
        /// Rows there are.
        n_rows: usize,
    },
    /// A trial failed.
    #[error("{} on {} rows from row {}, seed {}", trial.encoder, trial.n, trial.start, trial.seed)]
    Trial {
        /// Which one.
        trial: Box<Trial>,
        /// Why.
        source: FitError,
    },
    /// The device gave no stream.
    #[error("could not use the device")]
    Device(#[from] candle_core::Error),
    /// An outcome could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
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
    /// When the table cannot be read or a row cannot be used.
    pub fn read(grid: &Grid, path: &Path) -> Result<Self, DatasetError> {
        let read = |condition: &(String, String)| {
            let selection = Selection { conditions: vec![condition.clone()], ..Selection::default() };
            Dataset::read(path, &selection, &grid.columns(), &grid.search_space(), grid.goal_and_unit())
        };
        Ok(Self::new(read(&grid.training_rows)?, read(&grid.test_rows)?))
    }

    /// Rows to train on and rows to rank.
    #[must_use]
    pub fn new(training: Dataset, test: Dataset) -> Self {
        let mut hash = Sha256::new();
        for dataset in [&training, &test] {
            hash.update(format!("{} {:?}\n", dataset.space.name, dataset.unit));
            for example in &dataset.examples {
                hash.update(format!("{} {:?}\n", example.architecture, example.labels));
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
    let configs = grid.configs()?;
    let n_rows = tables.training.examples.len();
    if let Some(size) = grid.sizes.iter().find(|size| size.n > n_rows) {
        return Err(RunError::TooFewRows { n: size.n, n_rows });
    }
    let (done, due): (Vec<Trial>, Vec<Trial>) =
        grid.trials(tables)?.into_iter().partition(|trial| journal.has(trial));
    for _ in &done {
        progress.done(None);
    }

    let (next, journal, has_failed) = (AtomicUsize::new(0), Mutex::new(journal), AtomicBool::new(false));
    let try_one = |trial: &Trial, device: &Device| {
        let index = grid.encoders.iter().position(|encoder| encoder.name == trial.encoder);
        let index = index.expect("trials are of the grid's encoders");
        let training = trial.training_set(&tables.training);
        let apart = grid.encoders[index].each_target_apart;
        let failed = |source| RunError::Trial { trial: Box::new(trial.clone()), source };
        let sets = (&training, &tables.test);
        if let Some(outcome) = trial.outcome(&configs[index], apart, sets, device, stop).map_err(failed)? {
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
