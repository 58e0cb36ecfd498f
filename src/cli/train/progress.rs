//! What a training shows while it runs, and where the states of its runs are kept.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use candle_core::Device;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::fit::{Dataset, Epoch, Example, FitConfig, FitError, Observer, Run, Trainer};
use crate::metrics::kendall_tau;
use crate::model::{Input, Model, scores_in_parallel};

/// Epochs at the end whose predictors are validated.
const N_VALIDATED: usize = 5;

/// The states of interrupted and finished runs, in a folder beside the checkpoint to be.
pub struct RunStates {
    directory: PathBuf,
}

impl RunStates {
    /// Beside `out`.
    pub fn new(out: &Path) -> Self {
        let mut directory = out.as_os_str().to_owned();
        directory.push(".partial");
        Self { directory: directory.into() }
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

    /// Takes them away when the checkpoint is written.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("could not remove {}", self.directory.display()))
            }
            _ => Ok(()),
        }
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
    last_epoch: Option<Epoch>,
    /// Tau of each target after each of the last epochs.
    validated: Vec<Vec<Option<f64>>>,
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

    /// The last epoch of the full run that was seen.
    pub fn last_epoch(&self) -> Option<Epoch> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).last_epoch
    }

    /// Tau of each target after each of the last epochs, on the rows for validation.
    pub fn validated(&self) -> Vec<Vec<Option<f64>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).validated.clone()
    }

    fn show(&self, run: Run, epoch: &Epoch) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
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
        bar.set_message(format!("loss {:.4}, tau {tau}", epoch.loss));
        bar.set_position(epoch.number as u64);
        if epoch.number == self.n_epochs {
            bar.finish();
        }
        if run == Run::Full {
            seen.last_epoch = Some(*epoch);
        }
    }

    fn validate(&self, trainer: &Trainer<'_>, dataset: &Dataset) -> Result<(), FitError> {
        let model = Model::load(&trainer.checkpoint()?, &Device::Cpu)?;
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let scores = scores_in_parallel(&model, &inputs, NonZero::<usize>::MIN)?;
        let tau = |target: usize| {
            let labelled = dataset.labels(target).into_iter().zip(&scores);
            let (labels, scores): (Vec<f64>, Vec<f64>) =
                labelled.filter_map(|(label, scores)| Some((label?, scores[target]))).unzip();
            kendall_tau(&scores, &labels)
        };
        let taus = (0..dataset.targets.len()).map(tau).collect();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).validated.push(taus);
        Ok(())
    }
}

impl Observer for Progress<'_> {
    fn stored_state(&self, run: Run) -> Option<Vec<u8>> {
        fs::read(self.states.path(run)).ok()
    }

    fn store_state(&self, run: Run, state: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.states.directory)?;
        fs::write(self.states.path(run), state)
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
