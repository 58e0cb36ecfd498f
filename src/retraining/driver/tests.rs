//! What the driver promises, on SQLite and with a predictor that trains in no time.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::domain::{
    Budget, GateMargins, Holdout, Measurement, ModelVersion, Observation, ObservationKey, RetrainingPolicy,
    Source, Task, TaskSettings,
};
use crate::fit::{Dataset, FitConfig, Loss, Pairs, can_start_from};
use crate::model::{Encoder, ModelConfig, TaGatesConfig};
use crate::retraining::{Keep, Promote, Verdict, fit_with};
use crate::space::{Architecture, nasbench201};
use crate::store::MigrateMode;

/// A store with a task, and a driver for it.
struct Bench {
    store: Store,
    task: Task,
    driver: Arc<Driver>,
    _directory: TempDir,
}

impl Bench {
    async fn new(fit: impl Fit + 'static) -> Self {
        let timing = Timing {
            interval: Duration::from_millis(20),
            heartbeat: Duration::from_millis(20),
            state_interval: Duration::ZERO,
            ..Timing::default()
        };
        Self::with_timing(fit, timing).await
    }

    async fn with_timing(fit: impl Fit + 'static, timing: Timing) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data_dir = Some(directory.path().to_owned());
        let config = store::Config { database: None, data_dir, migrate: MigrateMode::Auto };
        let store = Store::connect(&config).await.expect("a store");
        store.migrate(MigrateMode::Auto).await.expect("a schema");
        let holdout = Holdout::new("a", 0.3).expect("a share");
        let task = Task { holdout, budgets: vec![Budget(200)], ..Task::nasbench201_cifar10() };
        let policy = RetrainingPolicy { cool_down_s: 0, gate: GateMargins::default(), ..Default::default() };
        store.task_insert(&task, &policy, None).await.expect("a task");
        let driver = Arc::new(Driver::new(store.clone(), Arc::new(fit), timing));
        Self { store, task, driver, _directory: directory }
    }

    async fn observe(&self, values: impl IntoIterator<Item = (Architecture, f64)>) {
        self.observe_of(&self.task, values).await;
    }

    async fn observe_of(&self, task: &Task, values: impl IntoIterator<Item = (Architecture, f64)>) {
        let observation = |(architecture, value)| {
            let key = ObservationKey {
                task: task.name.clone(),
                architecture,
                budget: Budget(200),
                seed: 0,
                source: Source::default(),
            };
            Observation::new(task, key, Measurement::Value(value), None).expect("valid")
        };
        let observations: Vec<Observation> = values.into_iter().map(observation).collect();
        self.store.observations_insert(&task.name, &observations).await.expect("stored");
    }

    async fn reconcile(&self) {
        self.driver.reconcile(&CancellationToken::new()).await.expect("a store that answers");
    }

    async fn last_run(&self) -> TrainingRun {
        self.store.last_run_of(&self.task.name).await.expect("an answer").expect("a run")
    }

    async fn champion(&self) -> Option<ModelVersionId> {
        self.store.champion_of(&self.task.name).await.expect("an answer")
    }

    async fn decision(&self, version: &ModelVersionId) -> Decision {
        let version = self.store.version_by_id(&self.task.name, version).await.expect("an answer");
        let decision = version.expect("a version").decision.expect("a decision");
        serde_json::from_value(decision).expect("as it was written")
    }
}

/// Architectures there are in all.
const MOST: usize = 300;

/// The first so many architectures, with what their operations are worth, in percent.
fn measured(n: usize) -> Vec<(Architecture, f64)> {
    let worth = |architecture: &Architecture| {
        let text = architecture.text();
        let n_large = text.matches("nor_conv_3x3").count() as f64;
        let n_small = text.matches("nor_conv_1x1").count() as f64;
        let n_skips = text.matches("skip_connect").count() as f64;
        10.0 + 15.0 * (n_large + 0.6 * n_small + 0.3 * n_skips) / 1.2
    };
    let mut sampled = nasbench201().sample(MOST, 5);
    sampled.truncate(n);
    sampled.into_iter().map(|architecture| (architecture.clone(), worth(&architecture))).collect()
}

fn shuffled(n: usize) -> Vec<(Architecture, f64)> {
    let (architectures, mut values): (Vec<_>, Vec<f64>) = measured(n).into_iter().unzip();
    values.shuffle(&mut ChaCha8Rng::seed_from_u64(3));
    architectures.into_iter().zip(values).collect()
}

/// A small network for so many epochs.
/// What the fits of these tests compute on.
const ON_ONE_CORE: (&Device, NonZero<usize>) = (&Device::Cpu, NonZero::<usize>::MIN);

fn tiny(n_epochs: usize) -> FitConfig {
    let config = FitConfig::named("nasbench201").expect("a built-in configuration");
    let encoder = TaGatesConfig {
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 12,
        forward_dims: vec![16; 2],
        backward_dims: vec![16; 2],
        conversion_dims: vec![16],
        update_dims: vec![16],
        ..TaGatesConfig::default()
    };
    let model =
        ModelConfig { encoder: Encoder::TaGates(encoder), head_dims: vec![24], ..config.model.clone() };
    let loss = Loss::PairwiseHinge { margin: 0.1, pairs: Pairs::All };
    let mut optimizer = config.optimizer;
    optimizer.learning_rate = 1e-2;
    FitConfig { model, n_epochs, batch_size: 32, averaged_epochs: 0, n_members: 1, loss, optimizer }
}

/// Trains a small network.
#[derive(Debug)]
struct Tiny {
    n_epochs: usize,
}

impl Fit for Tiny {
    fn max_targets(&self) -> usize {
        3
    }

    fn fit(
        &self,
        dataset: &Dataset,
        seed: u64,
        start: Option<&Checkpoint>,
        watch: &Watch,
    ) -> Result<Option<Checkpoint>, FitError> {
        fit_with(&tiny(self.n_epochs), dataset, seed, start, ON_ONE_CORE, watch)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_nothing_a_champion_is_made_once_there_is_enough() {
    let bench = Bench::new(Tiny { n_epochs: 15 }).await;
    bench.observe(measured(49)).await;
    bench.reconcile().await;
    assert_eq!(bench.store.last_run_of(&bench.task.name).await.expect("an answer"), None, "too few");

    bench.observe(measured(120)).await;
    bench.reconcile().await;
    let run = bench.last_run().await;
    assert_eq!((run.state, run.up_to), (RunState::Succeeded, Some(Sequence(120))), "{run:?}");
    let champion = bench.champion().await.expect("a champion");
    assert_eq!(run.version, Some(champion.clone()));
    let decision = bench.decision(&champion).await;
    assert_eq!(decision.verdict, Verdict::Promote(Promote::FirstChampion), "{decision}");

    bench.reconcile().await;
    assert_eq!(bench.last_run().await.id, run.id, "nothing is new");
    let bytes = bench.store.checkpoint_of(&bench.task.name, &champion).await.expect("an answer");
    let checkpoint = Checkpoint::from_bytes(&bytes.expect("kept")).expect("a checkpoint");
    assert_eq!(checkpoint.header().task.as_deref(), Some(bench.task.name.as_str()));
    let rule = checkpoint.header().holdout.clone().expect("a rule");
    assert_eq!((rule.salt.as_str(), rule.share), ("a", 0.3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_makes_versions_and_no_champion() {
    let bench = Bench::new(Tiny { n_epochs: 3 }).await;
    for (n, up_to) in [(60, 60), (90, 90), (130, 130)] {
        bench.observe(shuffled(130).into_iter().take(n)).await;
        bench.reconcile().await;
        let run = bench.last_run().await;
        assert_eq!((run.state, run.up_to), (RunState::Succeeded, Some(Sequence(up_to))), "{run:?}");
        let decision = bench.decision(&run.version.expect("a version")).await;
        assert_eq!(decision.verdict, Verdict::Keep(Keep::NotAboveChance), "{decision}");
    }
    assert_eq!(bench.champion().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_learnt_fails_for_good_and_says_why() {
    let bench = Bench::new(Tiny { n_epochs: 3 }).await;
    bench.observe(measured(60).into_iter().map(|(architecture, _)| (architecture, 50.0))).await;
    bench.reconcile().await;
    let run = bench.last_run().await;
    assert_eq!((run.state, run.errors.len()), (RunState::Failed, 1), "{run:?}");
}

/// Trains a small network, and notes whether it was given weights to start from.
#[derive(Debug)]
struct Noting {
    starts: Arc<Mutex<Vec<bool>>>,
}

impl Fit for Noting {
    fn max_targets(&self) -> usize {
        3
    }

    fn can_start_from(&self, dataset: &Dataset, checkpoint: &Checkpoint) -> bool {
        can_start_from(&tiny(15), dataset, checkpoint)
    }

    fn fit(
        &self,
        dataset: &Dataset,
        seed: u64,
        start: Option<&Checkpoint>,
        watch: &Watch,
    ) -> Result<Option<Checkpoint>, FitError> {
        self.starts.lock().expect("nobody panicked").push(start.is_some());
        fit_with(&tiny(15), dataset, seed, start, ON_ONE_CORE, watch)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_start_is_from_the_champion_where_the_policy_says_so() {
    let starts = Arc::<Mutex<Vec<bool>>>::default();
    let bench = Bench::new(Noting { starts: starts.clone() }).await;
    for (n, starts_warm) in [(120, true), (160, true), (220, false)] {
        let change = |settings: TaskSettings| {
            let policy = RetrainingPolicy { starts_warm, ..settings.policy };
            TaskSettings { policy, ..settings }
        };
        bench.store.task_update(&bench.task.name, change).await.expect("an answer");
        bench.observe(measured(n)).await;
        bench.reconcile().await;
        assert_eq!(bench.last_run().await.state, RunState::Succeeded);
    }
    let versions = bench.store.versions_page(&bench.task.name, None, 10).await.expect("an answer");
    let started_from =
        |version: &ModelVersion| version.report.as_ref().map(|report| report["started_from"].clone());
    let first = versions.last().expect("three versions").id.to_string();
    assert_eq!(
        versions.iter().rev().filter_map(started_from).collect::<Vec<_>>(),
        [Value::Null, Value::String(first), Value::Null]
    );
    assert_eq!(
        *starts.lock().expect("nobody panicked"),
        [false, true, false],
        "none, the champion, not asked for"
    );
}

/// Trains for ever, unless it is told to stop; or dies.
#[derive(Debug)]
struct Endless {
    n_begun: Arc<AtomicUsize>,
    dies: bool,
}

impl Fit for Endless {
    fn max_targets(&self) -> usize {
        3
    }

    fn fit(
        &self,
        dataset: &Dataset,
        seed: u64,
        start: Option<&Checkpoint>,
        watch: &Watch,
    ) -> Result<Option<Checkpoint>, FitError> {
        self.n_begun.fetch_add(1, Ordering::Relaxed);
        assert!(!self.dies, "as it was told");
        fit_with(&tiny(1_000_000), dataset, seed, start, ON_ONE_CORE, watch)
    }
}

fn endless() -> Endless {
    Endless { n_begun: Arc::default(), dies: false }
}

type Working = task::JoinHandle<Result<(), store::Error>>;

/// Has the driver work on a run that does not end by itself, until it is under way.
async fn under_way(bench: &Bench) -> (CancellationToken, Working) {
    bench.observe(measured(60)).await;
    let (driver, stop) = (bench.driver.clone(), CancellationToken::new());
    let working = tokio::spawn({
        let stop = stop.clone();
        async move { driver.reconcile(&stop).await }
    });
    let mut ticks = time::interval(Duration::from_millis(5));
    loop {
        ticks.tick().await;
        let run = bench.store.last_run_of(&bench.task.name).await.expect("an answer");
        if run.and_then(|run| run.progress).is_some_and(|progress| progress.epoch > 0) {
            return (stop, working);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_stops() {
    let bench = Bench::new(endless()).await;
    let (stop, working) = under_way(&bench).await;
    let run = bench.last_run().await;
    bench.store.run_cancel(run.id).await.expect("an answer");
    let mut ticks = time::interval(Duration::from_millis(5));
    while !bench.store.run_by_id(run.id).await.expect("an answer").expect("the run").state.is_final() {
        ticks.tick().await;
    }
    stop.cancel();
    working.await.expect("alive").expect("a store that answers");
    let run = bench.store.run_by_id(run.id).await.expect("an answer").expect("the run");
    assert_eq!((run.state, run.version), (RunState::Cancelled, None));
    assert_eq!(bench.champion().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_gives_the_run_back_with_its_state_and_counts_as_no_attempt() {
    let bench = Bench::new(endless()).await;
    let (stop, working) = under_way(&bench).await;
    stop.cancel();
    working.await.expect("alive").expect("a store that answers");
    let run = bench.last_run().await;
    assert_eq!((run.state, run.n_attempts), (RunState::Queued, 0), "{run:?}");
    let claimed = bench.store.run_claim(Duration::from_secs(9), 5).await.expect("an answer");
    let watch = Watch::new(claimed.expect("queued").resume_state.as_deref(), Duration::ZERO, 1.0);
    let state = crate::fit::Observer::stored_state(&watch, crate::fit::Run::Full).expect("readable");
    assert!(state.is_some_and(|state| !state.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_due_beside_a_run_is_queued_at_a_nudge() {
    let bench = Bench::new(endless()).await;
    let other = Task { name: TaskName::new("other").expect("a name"), ..bench.task.clone() };
    bench.store.task_insert(&other, &RetrainingPolicy::default(), None).await.expect("a task");
    let timing = Timing { interval: Duration::from_hours(1), ..Timing::default() };
    let driver = Driver::new(bench.store.clone(), Arc::new(endless()), timing);
    let (nudge, stop) = (Nudge::default(), CancellationToken::new());
    let running = tokio::spawn(driver.run(nudge.clone(), stop.clone()));

    let mut ticks = time::interval(Duration::from_millis(5));
    for (task, state) in [(&bench.task, RunState::Running), (&other, RunState::Queued)] {
        bench.observe_of(task, measured(60)).await;
        nudge.nudge();
        while bench.store.last_run_of(&task.name).await.expect("an answer").map(|run| run.state)
            != Some(state)
        {
            ticks.tick().await;
        }
    }
    stop.cancel();
    running.await.expect("alive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_training_that_dies_takes_nobody_with_it_and_rests() {
    let n_begun = Arc::<AtomicUsize>::default();
    let bench = Bench::new(Endless { n_begun: n_begun.clone(), dies: true }).await;
    bench.observe(measured(60)).await;
    bench.reconcile().await;
    bench.reconcile().await;
    let run = bench.last_run().await;
    assert_eq!((run.state, run.n_attempts), (RunState::Queued, 1), "{run:?}");
    assert_eq!(
        run.errors.iter().map(|error| error.message.as_str()).collect::<Vec<_>>(),
        ["training died, the log says why"]
    );
    assert_eq!(n_begun.load(Ordering::Relaxed), 1, "it backs off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_somebody_else_took_ends_the_work_without_a_trace() {
    let heartbeat = Duration::from_millis(100);
    let timing = Timing { lease: Duration::from_millis(1), heartbeat, ..Timing::default() };
    let bench = Bench::with_timing(endless(), timing).await;
    let (_stop, working) = under_way(&bench).await;
    let mut ticks = time::interval(Duration::from_millis(5));
    let claimed = loop {
        ticks.tick().await;
        let claimed = bench.store.run_claim(Duration::from_mins(1), 5).await.expect("an answer");
        if let Some(claimed) = claimed {
            break claimed;
        }
    };
    working.await.expect("alive").expect("a store that answers");
    let run = bench.last_run().await;
    assert_eq!((run.id, run.state, run.version), (claimed.run.id, RunState::Running, None));
    let ours = bench.store.run_heartbeat(&claimed.lease, None, Duration::from_mins(1)).await;
    assert!(matches!(ours.expect("an answer"), Fenced::Held(_)), "the other one's lease is untouched");
}
