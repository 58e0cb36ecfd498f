//! What a training shows while it runs, and where the states of its runs are kept.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::cli::whole_file::write_whole;
use crate::fit::{Dataset, Epoch, Evaluation, FitConfig, FitError, Observer, Run, Trainer};
use crate::model::Model;

/// Epochs at the end whose predictors are validated.
const N_VALIDATED: usize = 5;

/// The states of interrupted and finished runs, in a folder beside the checkpoint to be.
pub struct RunStates {
    directory: PathBuf,
}

impl RunStates {
    /// Beside `out`. The folder is there from now on, so that a place that cannot be written to is known
    /// before the training.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn beside(out: &Path) -> anyhow::Result<Self> {
        let mut directory = out.as_os_str().to_owned();
        directory.push(".partial");
        let directory = PathBuf::from(directory);
        fs::create_dir_all(&directory)
            .with_context(|| format!("could not make the folder {} (--out)", directory.display()))?;
        Ok(Self { directory })
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, run: Run) -> PathBuf {
        self.directory.join(match run {
            Run::Full => "full.safetensors".to_owned(),
            Run::WithoutFold(fold) => format!("without-fold-{fold}.safetensors"),
        })
    }

    /// What was seen of the full run up to its state.
    fn history(&self) -> PathBuf {
        self.directory.join("full.json")
    }

    /// Takes them away when the checkpoint is written, or there is nothing to go on from.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.directory)
            .with_context(|| format!("could not remove {}", self.directory.display()))
    }
}

impl Drop for RunStates {
    /// A training that was refused leaves no empty folder.
    fn drop(&mut self) {
        // Fails where there is something to go on from.
        let _ = fs::remove_dir(&self.directory);
    }
}

fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

/// Shows runs on the terminal and remembers what the report needs.
pub struct Progress<'a> {
    n_epochs: usize,
    states: RunStates,
    validation: Option<&'a Dataset>,
    stop: &'a AtomicBool,
    terminal: MultiProgress,
    seen: Mutex<Seen>,
}

/// What was seen of the runs.
#[derive(Default)]
struct Seen {
    bars: BTreeMap<Run, ProgressBar>,
    history: History,
}

/// What the report needs of the full run; kept with its state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    /// The last epoch made.
    pub last_epoch: Option<Epoch>,
    /// Tau of each target on the rows for validation, after each of the last epochs.
    pub validated: Vec<Vec<Option<f64>>>,
}

impl<'a> Progress<'a> {
    /// Runs stop at the end of an epoch once `stop` is set.
    pub fn new(
        config: &FitConfig,
        states: RunStates,
        validation: Option<&'a Dataset>,
        stop: &'a AtomicBool,
    ) -> Self {
        let (terminal, seen) = (MultiProgress::new(), Mutex::default());
        Self { n_epochs: config.n_epochs, states, validation, stop, terminal, seen }
    }

    /// Where states are kept.
    pub fn states(&self) -> &RunStates {
        &self.states
    }

    /// What was seen of the full run.
    pub fn history(&self) -> History {
        self.seen().history.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, run: Run, epoch: &Epoch) {
        let mut seen = self.seen();
        let bar = seen.bars.entry(run).or_insert_with(|| {
            let style = ProgressStyle::with_template("{prefix:>14} {bar:24} {pos}/{len} {msg}, {eta} left")
                .expect("a valid template");
            let bar = self.terminal.add(ProgressBar::new(self.n_epochs as u64).with_style(style));
            bar.set_prefix(match run {
                Run::Full => "all rows".to_owned(),
                Run::WithoutFold(fold) => format!("without fold {fold}"),
            });
            bar
        });
        let tau = epoch.kendall_tau.map_or("-".to_owned(), |tau| format!("{tau:.3}"));
        tracing::debug!(?run, epoch = epoch.number, loss = epoch.loss, tau, "epoch done");
        bar.set_message(format!("loss {:.4}, tau {tau}", epoch.loss));
        bar.set_position(epoch.number as u64);
        if epoch.number == self.n_epochs {
            bar.finish();
        }
        if run == Run::Full {
            seen.history.last_epoch = Some(*epoch);
        }
    }

    fn validate(&self, trainer: &Trainer<'_>, dataset: &Dataset) -> Result<(), FitError> {
        let model = Model::load(&trainer.checkpoint()?, trainer.device())?;
        let tau = |target| {
            Evaluation::of_model(&model, target, dataset, target, NonZero::<usize>::MIN)
                .map(|evaluation| evaluation.kendall_tau)
        };
        let taus = (0..dataset.targets.len()).map(tau).collect::<Result<_, _>>()?;
        self.seen().history.validated.push(taus);
        Ok(())
    }
}

impl Observer for Progress<'_> {
    fn stored_state(&self, run: Run) -> io::Result<Option<Vec<u8>>> {
        if let (Run::Full, Some(history)) = (run, read_if_there(&self.states.history())?) {
            self.seen().history = serde_json::from_slice(&history)?;
        }
        read_if_there(&self.states.path(run))
    }

    fn resumed(&self, _: Run, _: usize) {
        // The bar is set by the next epoch's number.
    }

    fn store_state(&self, run: Run, state: &[u8]) -> io::Result<()> {
        if run == Run::Full {
            write_whole(&self.states.history(), &serde_json::to_vec(&self.history())?)?;
        }
        write_whole(&self.states.path(run), state)
    }

    fn epoch_done(
        &self,
        run: Run,
        trainer: &Trainer<'_>,
        epoch: &Epoch,
    ) -> Result<ControlFlow<()>, FitError> {
        self.show(run, epoch);
        match self.validation {
            Some(dataset) if run == Run::Full && epoch.number + N_VALIDATED > self.n_epochs => {
                self.validate(trainer, dataset)?;
            }
            _ => {}
        }
        Ok(if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}
