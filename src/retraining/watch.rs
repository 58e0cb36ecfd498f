//! What the thread that trains and the task that holds its lease know of each other.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::Progress;
use crate::fit::{Dataset, Epoch, Evaluation, FitError, Observer, Run, Trainer};
use crate::model::Model;
use crate::retraining::resume;

/// Longest part of a rest between two looks at whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// Why a training stops before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// This process does.
    Shutdown,
    /// Somebody cancelled the run.
    Cancelled,
    /// Somebody else works on the run, or it is over.
    Lost,
}

/// Keeps the states and the progress of one fit, and tells it to stop.
#[derive(Debug)]
pub struct Watch {
    /// Between two states of one training.
    state_interval: Duration,
    /// Share of the time that is computed in.
    share: f64,
    /// What progress is judged by, once it is known.
    holdout: OnceLock<Dataset>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    stop: Option<Stop>,
    n_epochs: usize,
    /// Epochs of each training, those of an earlier process included.
    n_epochs_done: BTreeMap<Run, usize>,
    /// Epochs that this process made.
    n_epochs_made: usize,
    since: Instant,
    loss: Option<f64>,
    holdout_tau: Option<f64>,
    states: BTreeMap<Run, Vec<u8>>,
    /// States that were taken since the beginning, and how many of them are known to be stored.
    n_states: usize,
    n_stored: usize,
    kept_at: BTreeMap<Run, Instant>,
    rested_at: BTreeMap<Run, Instant>,
}

impl Watch {
    /// Of a fit that goes on from a state which [`Self::unstored_state`] gave, where there is one. One that cannot
    /// be read is no reason to fail: the fit then starts anew.
    #[must_use]
    pub fn new(resume_state: Option<&[u8]>, state_interval: Duration, share: f64) -> Self {
        let seen = Seen {
            stop: None,
            n_epochs: 0,
            n_epochs_done: BTreeMap::new(),
            n_epochs_made: 0,
            since: Instant::now(),
            loss: None,
            holdout_tau: None,
            states: resume_state.and_then(resume::read).unwrap_or_default(),
            n_states: 0,
            n_stored: 0,
            kept_at: BTreeMap::new(),
            rested_at: BTreeMap::new(),
        };
        Self { state_interval, share, holdout: OnceLock::new(), seen: Mutex::new(seen) }
    }

    /// From now on progress is judged by these rows.
    pub fn judge_by(&self, holdout: &Dataset) {
        self.holdout.get_or_init(|| holdout.clone());
    }

    /// So many epochs there will be, over all trainings of the fit.
    pub fn expect_epochs(&self, n_epochs: usize) {
        self.seen().n_epochs = n_epochs;
    }

    /// The fit is to stop at the end of its epoch. The first reason stays, unless the lease is lost.
    pub fn stop(&self, stop: Stop) {
        let mut seen = self.seen();
        if seen.stop.is_none() || stop == Stop::Lost {
            seen.stop = Some(stop);
        }
    }

    /// Why the fit is to stop, if it is.
    #[must_use]
    pub fn stopping(&self) -> Option<Stop> {
        self.seen().stop
    }

    /// Nothing was done before, after all.
    pub fn forget_states(&self) {
        let mut seen = self.seen();
        seen.states.clear();
        seen.n_epochs_done.clear();
    }

    /// What to resume from, with its number, as long as it was not [`Self::stored`].
    #[must_use]
    pub fn unstored_state(&self) -> Option<(usize, Vec<u8>)> {
        let seen = self.seen();
        (seen.n_states > seen.n_stored).then(|| (seen.n_states, resume::write(&seen.states)))
    }

    /// The state of this number is stored.
    pub fn stored(&self, number: usize) {
        let mut seen = self.seen();
        seen.n_stored = seen.n_stored.max(number);
    }

    /// How far the fit is, once it has made an epoch.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let seen = self.seen();
        let n_done: usize = seen.n_epochs_done.values().sum();
        let per_epoch = seen.since.elapsed().as_secs_f64() / seen.n_epochs_made as f64;
        (seen.n_epochs_made > 0).then(|| Progress {
            epoch: u32::try_from(n_done).unwrap_or(u32::MAX),
            n_epochs: u32::try_from(seen.n_epochs).unwrap_or(u32::MAX),
            loss: seen.loss,
            holdout_tau: seen.holdout_tau,
            seconds_left: Some(per_epoch * seen.n_epochs.saturating_sub(n_done) as f64),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_state_due(&self, run: Run) -> bool {
        let now = Instant::now();
        let mut seen = self.seen();
        let since = *seen.kept_at.entry(run).or_insert(now);
        let is_due = now.duration_since(since) >= self.state_interval;
        if is_due {
            seen.kept_at.insert(run, now);
        }
        is_due
    }

    fn holdout_tau(&self, trainer: &Trainer<'_>) -> Result<Option<f64>, FitError> {
        let Some(holdout) = self.holdout.get().filter(|holdout| !holdout.examples.is_empty()) else {
            return Ok(None);
        };
        let model = Model::load(&trainer.checkpoint()?, trainer.device())?;
        let last = holdout.targets.len() - 1;
        Ok(Evaluation::of_model(&model, last, holdout, last, NonZero::<usize>::MIN)?.kendall_tau)
    }

    /// Rests so long that the thread of `run` computed for no more than its share of the time.
    fn rest(&self, run: Run) {
        let now = Instant::now();
        let since = *self.seen().rested_at.entry(run).or_insert(now);
        let rest = now.duration_since(since).mul_f64((1.0 / self.share - 1.0).clamp(0.0, 1e3));
        let until = now + rest;
        while self.stopping().is_none()
            && let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
        {
            thread::sleep(left.min(NAP));
        }
        self.seen().rested_at.insert(run, Instant::now());
    }
}

impl Observer for Watch {
    fn stored_state(&self, run: Run) -> io::Result<Option<Vec<u8>>> {
        Ok(self.seen().states.get(&run).cloned())
    }

    fn resumed(&self, run: Run, n_epochs_done: usize) {
        self.seen().n_epochs_done.insert(run, n_epochs_done);
    }

    fn store_state(&self, run: Run, state: &[u8]) -> io::Result<()> {
        let mut seen = self.seen();
        seen.states.insert(run, state.to_vec());
        seen.n_states += 1;
        Ok(())
    }

    fn epoch_done(
        &self,
        run: Run,
        trainer: &Trainer<'_>,
        epoch: &Epoch,
    ) -> Result<ControlFlow<()>, FitError> {
        let is_state_due = self.is_state_due(run);
        if is_state_due {
            self.store_state(run, &trainer.state()?)?;
        }
        if run == Run::Full && (is_state_due || trainer.is_done()) {
            let tau = self.holdout_tau(trainer)?;
            self.seen().holdout_tau = tau;
        }
        {
            let mut seen = self.seen();
            seen.n_epochs_done.insert(run, epoch.number);
            seen.n_epochs_made += 1;
            if run == Run::Full {
                seen.loss = Some(epoch.loss);
            }
        }
        self.rest(run);
        Ok(if self.stopping().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}
