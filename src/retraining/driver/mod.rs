//! The reconciler: looks at what is due, queues it, takes up what is queued, and works on it until there is
//! nothing left. Every step is safe to repeat; all that counts is in the store.

mod error;

use std::convert::Infallible;
use std::future;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use candle_core::Device;
use tokio::sync::oneshot;
use tokio::{task, time};
use tokio_util::sync::CancellationToken;

use crate::background::Nudge;
use crate::domain::{
    Lease, ModelVersionId, RunState, Sequence, StoredObservation, StoredTask, Task, TaskName, TrainingRun,
};
use crate::fit::FitError;
use crate::model::Checkpoint;
use crate::retraining::config::Config;
use crate::retraining::dataset::{Datasets, datasets};
use crate::retraining::driver::error::Error;
use crate::retraining::due::{Due, Facts, PastRun, back_off, is_due};
use crate::retraining::fitting::{Configured, Fit};
use crate::retraining::gate::Decision;
use crate::retraining::judge::{Champion, Drift, JudgeError, Report, described, is_kept_back, judge};
use crate::retraining::saliencies::Measuring;
use crate::retraining::watch::{Stop, Watch};
use crate::space::SaliencyOrigin;
use crate::store::{self, ClaimedRun, Enqueued, Fenced, Finish, NewVersion, Promote, Store};
use crate::zero_cost::Proxies;

/// Attempts that may lead nowhere before a run is failed for good.
const MAX_ATTEMPTS: u32 = 5;
/// Entries of a page.
const PAGE_SIZE: u32 = 1_000;
/// Runs looked back on: more failures in a row than that make the wait no longer.
const N_PAST_RUNS: u32 = 16;
/// Between two looks at what is due, however many nudges there are.
const REST: Duration = Duration::from_millis(250);
/// Trainings, each of other chance, before one that diverges is given up.
const N_CHANCES: u64 = 3;
/// Newest versions whose checkpoints are kept, besides all that were champion.
const N_KEPT_VERSIONS: u32 = 20;

/// How long things are, for a driver.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Between two looks at what is due where no news comes.
    pub interval: Duration,
    /// How long a run is held without being heard of.
    pub lease: Duration,
    /// Between two signs of life, and so how soon a cancelled run knows.
    pub heartbeat: Duration,
    /// Between two states to resume from.
    pub state_interval: Duration,
    /// Share of the time that training computes in.
    pub share: f64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(2),
            state_interval: Duration::from_secs(10),
            share: 1.0,
        }
    }
}

/// Retrains what is due, one run at a time.
#[derive(Debug)]
pub struct Driver {
    store: Store,
    fit: Arc<dyn Fit>,
    timing: Timing,
    measuring: Measuring,
}

/// What became of an attempt that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Attempt {
    Made(ModelVersionId),
    Stopped(Stop),
}

impl Driver {
    /// A driver that trains by `fit`.
    #[must_use]
    pub fn new(store: Store, fit: Arc<dyn Fit>, timing: Timing) -> Self {
        Self { store, fit, timing, measuring: Measuring::default() }
    }

    /// The same, with saliencies measured so.
    #[must_use]
    pub fn measuring_with(self, measuring: Measuring) -> Self {
        Self { measuring, ..self }
    }

    /// A driver that trains on `device` with as much of the machine as the settings give it, and measures saliencies
    /// with `proxies`.
    #[must_use]
    pub fn configured(store: Store, config: &Config, device: Device, proxies: Arc<Proxies>) -> Self {
        let (n_threads, of_spaces) = (config.training_threads, config.training_config.clone());
        let share = config.training_share;
        let fit = Configured { device, n_threads, of_spaces };
        Self::new(store, Arc::new(fit), Timing { share, ..Timing::default() }).measuring_with(Measuring {
            proxies,
            n_threads,
            share,
        })
    }

    /// Goes on until `stop`. What is due is queued at once, woken by `nudge`, also while another run is worked
    /// on: everybody sees it then, and another process may take it up. A run under way at the stop is given
    /// back with its state, after its epoch.
    pub async fn run(self, nudge: Nudge, stop: CancellationToken) {
        tokio::join!(self.keep_queueing(&nudge, &stop), Box::pin(self.keep_working(&stop)));
    }

    async fn keep_queueing(&self, nudge: &Nudge, stop: &CancellationToken) {
        while nudge.wait(self.timing.interval, stop).await {
            warn_of(self.enqueue_due().await);
            // Nudges of a long import are few looks.
            stop.run_until_cancelled(time::sleep(REST)).await;
        }
    }

    /// Woken by news of the store, as of a run that is queued, or the timer.
    async fn keep_working(&self, stop: &CancellationToken) {
        let mut changes = self.store.listen();
        loop {
            warn_of(self.reconcile(stop).await);
            let news = time::timeout(self.timing.interval, changes.next());
            if stop.run_until_cancelled(news).await.is_none() {
                return;
            }
        }
    }

    /// Queues what is due and works on what is queued, until neither is left or `stop` is asked for.
    ///
    /// # Errors
    /// When the store cannot be asked; what was begun then goes on here or elsewhere once its lease ran out.
    pub async fn reconcile(&self, stop: &CancellationToken) -> Result<(), store::Error> {
        loop {
            self.enqueue_due().await?;
            if stop.is_cancelled() {
                return Ok(());
            }
            let Some(claimed) = self.store.run_claim(self.timing.lease, MAX_ATTEMPTS).await? else {
                return Ok(());
            };
            self.work(claimed, stop).await?;
        }
    }

    /// Queues a run for each task that is due for one.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn enqueue_due(&self) -> Result<(), store::Error> {
        let now = self.store.now().await?;
        let mut last: Option<TaskName> = None;
        loop {
            let page = self.store.tasks_page(last.as_ref(), PAGE_SIZE, false).await?;
            for stored in &page {
                if !stored.policy.is_enabled {
                    continue;
                }
                let name = &stored.task.name;
                let due = is_due(&self.facts(stored).await?, &stored.policy, now);
                tracing::trace!(task = %name, ?due, "looked at");
                if let Due::Now(reason) = due {
                    // An unfinished run, queued by another replica since, is as good.
                    match self.store.run_enqueue(name, &reason.to_string(), None).await {
                        Ok(Enqueued::New(_)) => {
                            tracing::info!(task = %name, %reason, "training run is queued");
                        }
                        Ok(_) | Err(store::Error::Archived(_) | store::Error::UnknownTask(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            if page.len() < PAGE_SIZE as usize {
                return Ok(());
            }
            last = page.last().map(|stored| stored.task.name.clone());
        }
    }

    async fn facts(&self, stored: &StoredTask) -> Result<Facts, store::Error> {
        let name = &stored.task.name;
        let runs = self.store.runs_page(Some(name), None, N_PAST_RUNS).await?;
        let is_archived = stored.archived_at.is_some();
        if runs.first().is_some_and(|run| !run.state.is_final()) {
            // Nothing else matters, and counting takes time.
            return Ok(Facts { is_archived, has_unfinished_run: true, ..Facts::default() });
        }
        let up_to = runs.iter().find_map(|run| run.up_to).unwrap_or(Sequence(0));
        let counts = self.store.observations_count(name, up_to).await?;
        let n_observations = counts.n_feasible + counts.n_infeasible;
        let n_new = counts.n_new_feasible + counts.n_new_infeasible;
        let ended_at = runs.first().and_then(|run| run.finished_at);
        Ok(Facts {
            is_archived,
            n_observations,
            last_sequence: stored.last_sequence,
            has_unfinished_run: false,
            last_run: ended_at.map(|ended_at| PastRun {
                up_to,
                n_observations: n_observations.saturating_sub(n_new),
                n_new,
                ended_at,
            }),
            n_failures: n_failures(&runs),
        })
    }

    /// Works on a run until it made its version, failed, or is not to be worked on here any more.
    async fn work(&self, claimed: ClaimedRun, stop: &CancellationToken) -> Result<(), store::Error> {
        let ClaimedRun { run, lease, resume_state } = claimed;
        let Timing { state_interval, share, .. } = self.timing;
        let watch = Arc::new(Watch::new(resume_state.as_deref(), state_interval, share));
        let attempt = tokio::select! {
            attempt = self.attempt(&run, &lease, &watch) => attempt,
            never = self.hold(&lease, &watch) => match never {},
            never = stop_with(stop, &watch) => match never {},
        };
        match attempt {
            Ok(Attempt::Made(version)) => {
                tracing::info!(run = %run.id, task = %run.task, %version, "training run is done");
                self.store.versions_prune(&run.task, N_KEPT_VERSIONS).await?;
            }
            Ok(Attempt::Stopped(Stop::Lost)) => {
                tracing::warn!(run = %run.id, task = %run.task, "lease is lost, what was trained is dropped");
            }
            Ok(Attempt::Stopped(Stop::Shutdown | Stop::Cancelled)) => {
                self.store_state(&lease, &watch).await?;
                let state = self.store.run_release(&lease).await?;
                tracing::info!(run = %run.id, task = %run.task, ?state, "training run is given back");
            }
            // The lease runs out, and whoever reaches the database next takes the run up from its state.
            Err(Error::Store(error @ store::Error::Unavailable(_))) => return Err(error),
            Err(error) => {
                let n_attempts = run.n_attempts + 1;
                let gives_up = error.is_lasting() || n_attempts >= MAX_ATTEMPTS;
                let retry_after = (!gives_up).then(|| back_off(n_attempts));
                let message = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(run = %run.id, task = %run.task, error = message, ?retry_after, "training failed");
                self.store.run_fail(&lease, &message, retry_after).await?;
            }
        }
        Ok(())
    }

    /// Keeps the lease, and everybody informed, for as long as it is waited for.
    async fn hold(&self, lease: &Lease, watch: &Watch) -> Infallible {
        let mut ticks = time::interval(self.timing.heartbeat);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.report(lease, watch).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(run = %lease.run, error, "could not report a training run, trying again");
            }
        }
    }

    async fn report(&self, lease: &Lease, watch: &Watch) -> Result<(), store::Error> {
        match self.store.run_heartbeat(lease, watch.progress().as_ref(), self.timing.lease).await? {
            Fenced::Held(heartbeat) if heartbeat.is_cancel_requested => watch.stop(Stop::Cancelled),
            Fenced::Held(_) => {}
            Fenced::Lost => watch.stop(Stop::Lost),
        }
        self.store_state(lease, watch).await
    }

    /// Stores what to resume from, unless it is stored. Cut off in the middle, it is done the next time.
    async fn store_state(&self, lease: &Lease, watch: &Watch) -> Result<(), store::Error> {
        if let Some((number, state)) = watch.unstored_state() {
            match self.store.run_state_store(lease, &state).await? {
                Fenced::Held(()) => watch.stored(number),
                Fenced::Lost => watch.stop(Stop::Lost),
            }
        }
        Ok(())
    }

    async fn attempt(&self, run: &TrainingRun, lease: &Lease, watch: &Arc<Watch>) -> Result<Attempt, Error> {
        let stored = self.open_task(&run.task).await?;
        let up_to = run.up_to.unwrap_or(stored.last_sequence);
        let observations = self.snapshot(&run.task, up_to).await?;
        let max_targets = self.fit.max_targets();
        let datasets = {
            let definition = stored.task.clone();
            computed(move || datasets(&definition, &observations, max_targets)).await?
        };
        let takes = self.fit.takes(&datasets.training);
        let filled = self.measuring.filled(&self.store, &stored, takes, datasets, watch).await?;
        let Some((datasets, origin)) = filled else {
            return Ok(Attempt::Stopped(watch.stopping().unwrap_or(Stop::Lost)));
        };
        watch.judge_by(&datasets.holdout);
        let datasets = Arc::new(datasets);
        let start = if stored.policy.starts_warm {
            self.start(&stored.task, &datasets, origin.as_ref()).await?
        } else {
            None
        };
        let (started_from, start) = start.unzip();
        let Some(checkpoint) = self.train(&datasets, start, watch).await? else {
            return Ok(Attempt::Stopped(watch.stopping().unwrap_or(Stop::Lost)));
        };
        let (checkpoint, report) = {
            let (definition, datasets) = (stored.task.clone(), datasets.clone());
            let origin = origin.clone();
            computed(move || {
                described(&checkpoint, &definition, &datasets, origin.as_ref(), started_from.as_ref())
            })
            .await??
        };
        loop {
            // What it is compared with, and whether that may have consequences, can change until the end.
            let stored = self.open_task(&run.task).await?;
            let champion = self.champion_seeing(&run.task, &datasets, origin.as_ref(), watch).await?;
            let expected = champion.as_ref().map(|(id, _)| id.clone());
            let (decision, drift) = {
                let (datasets, checkpoint) = (datasets.clone(), checkpoint.clone());
                computed(move || {
                    let champion = champion.as_ref().map(|(_, champion)| champion);
                    let is_paused = stored.promotion_paused_at.is_some();
                    let margins = &stored.policy.gate;
                    judge(&stored.task, &datasets, &checkpoint, champion, margins, is_paused)
                })
                .await??
            };
            if let Some(stop) = watch.stopping() {
                return Ok(Attempt::Stopped(stop));
            }
            tracing::info!(run = %run.id, task = %run.task, %decision, "new version is judged");
            let version = new_version(&checkpoint, &report, &decision, drift)?;
            let promote = decision.is_promotion().then(|| Promote { expected, why: decision.to_string() });
            match self.store.run_finish(lease, &version, promote.as_ref()).await? {
                Finish::Finished(version) => return Ok(Attempt::Made(version)),
                Finish::ChampionChanged(_) | Finish::PromotionPaused => {}
                Finish::CancelRequested => return Ok(Attempt::Stopped(Stop::Cancelled)),
                Finish::Lost => return Ok(Attempt::Stopped(Stop::Lost)),
            }
        }
    }

    async fn open_task(&self, name: &TaskName) -> Result<StoredTask, Error> {
        let stored = self.store.task_by_name(name).await?;
        stored.filter(|stored| stored.archived_at.is_none()).ok_or(Error::NoTask)
    }

    async fn snapshot(&self, task: &TaskName, up_to: Sequence) -> Result<Vec<StoredObservation>, Error> {
        let mut observations: Vec<StoredObservation> = Vec::new();
        loop {
            let after = observations.last().map_or(Sequence(0), |last| last.sequence);
            let page = self.store.snapshot_page(task, up_to, after, PAGE_SIZE).await?;
            let is_last = page.len() < PAGE_SIZE as usize;
            observations.extend(page);
            if is_last {
                return Ok(observations);
            }
        }
    }

    /// Trains on a thread of its own. A state that is of no use, as of another binary, is forgotten and the
    /// training starts anew; so it does with other chance where it diverged.
    async fn train(
        &self,
        datasets: &Arc<Datasets>,
        start: Option<Checkpoint>,
        watch: &Arc<Watch>,
    ) -> Result<Option<Checkpoint>, Error> {
        let (done, trained) = oneshot::channel();
        let (fit, datasets, watch) = (self.fit.clone(), datasets.clone(), watch.clone());
        thread::Builder::new().name("training".to_owned()).spawn(move || {
            let train = |seed| fit.fit(&datasets.training, seed, start.as_ref(), &watch);
            let (mut seed, mut is_anew) = (0, false);
            let fitted = loop {
                match train(seed) {
                    // Once: a state that was just made and is of no use either is another matter.
                    Err(FitError::State(error)) if !is_anew => {
                        is_anew = true;
                        tracing::info!(error = &error as &dyn std::error::Error, "training starts anew");
                    }
                    Err(error @ FitError::Diverged { .. }) if seed + 1 < N_CHANCES => {
                        tracing::info!(
                            error = &error as &dyn std::error::Error,
                            "training starts with other chance"
                        );
                        seed += 1;
                    }
                    fitted => break fitted,
                }
                watch.forget_states();
            };
            // Nobody waits any more where the process stops.
            let _ = done.send(fitted);
        })?;
        Ok(trained.await.map_err(|_| Error::Died)??)
    }

    /// The champion, to start from, where it is of the same model and not trained on the holdout: whatever starts
    /// from one that was could not be judged.
    async fn start(
        &self,
        task: &Task,
        datasets: &Datasets,
        origin: Option<&SaliencyOrigin>,
    ) -> Result<Option<(ModelVersionId, Checkpoint)>, Error> {
        let champion = self.champion(&task.name).await?;
        let start = champion.and_then(|(id, champion)| Some((id, champion.checkpoint?)));
        Ok(start.filter(|(_, checkpoint)| {
            let own = checkpoint.header().saliencies.as_ref();
            let sees_the_same = match (own, origin) {
                (Some(own), Some(origin)) => own.is_same(origin),
                (own, origin) => own.is_none() && origin.is_none(),
            };
            sees_the_same
                && is_kept_back(checkpoint.header(), task, &datasets.holdout.examples)
                && self.fit.can_start_from(&datasets.training, checkpoint)
        }))
    }

    /// The champion, and the holdout as it is to see it, where that is another one.
    async fn champion_seeing(
        &self,
        task: &TaskName,
        datasets: &Datasets,
        origin: Option<&SaliencyOrigin>,
        watch: &Arc<Watch>,
    ) -> Result<Option<(ModelVersionId, Champion)>, Error> {
        let Some((id, mut champion)) = self.champion(task).await? else { return Ok(None) };
        if let Some(checkpoint) = &champion.checkpoint {
            let (header, holdout) = (checkpoint.header(), &datasets.holdout);
            champion.holdout = self.measuring.holdout_of(&self.store, header, origin, holdout, watch).await?;
        }
        Ok(Some((id, champion)))
    }

    async fn champion(&self, task: &TaskName) -> Result<Option<(ModelVersionId, Champion)>, Error> {
        let Some(id) = self.store.champion_of(task).await? else { return Ok(None) };
        let checkpoint = match self.store.checkpoint_of(task, &id).await {
            Ok(bytes) => bytes.and_then(|bytes| Checkpoint::from_bytes(&bytes).ok()),
            Err(error @ store::Error::Unavailable(_)) => return Err(error.into()),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%task, version = %id, error, "champion cannot be read, and stays");
                None
            }
        };
        let version = self.store.version_by_id(task, &id).await?;
        let trained_up_to = version.and_then(|version| version.trained_up_to);
        Ok(Some((id, Champion { checkpoint, trained_up_to, holdout: None })))
    }
}

fn warn_of(reconciled: Result<(), store::Error>) {
    if let Err(error) = reconciled {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "could not look after training runs, trying again");
    }
}

async fn stop_with(stop: &CancellationToken, watch: &Watch) -> Infallible {
    stop.cancelled().await;
    watch.stop(Stop::Shutdown);
    future::pending().await
}

/// Computes beside the async threads.
async fn computed<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    task::spawn_blocking(compute).await.map_err(|_| Error::Died)
}

fn new_version(
    checkpoint: &Checkpoint,
    report: &Report,
    decision: &Decision,
    drift: Option<Drift>,
) -> Result<NewVersion, JudgeError> {
    let mut report = serde_json::to_value(report)?;
    if let (Some(fields), Some(drift)) = (report.as_object_mut(), drift) {
        fields.insert("champion_drift".to_owned(), serde_json::to_value(drift)?);
    }
    Ok(NewVersion {
        checkpoint: checkpoint.as_bytes().to_vec(),
        report: Some(report),
        decision: Some(serde_json::to_value(decision)?),
    })
}

/// Runs that failed for good since the last that did not; the newest run comes first.
fn n_failures(runs: &[TrainingRun]) -> u32 {
    let failed = runs
        .iter()
        .skip_while(|run| !run.state.is_final())
        .take_while(|run| run.state == RunState::Failed)
        .count();
    u32::try_from(failed).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
