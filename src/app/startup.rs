//! From an empty or unreachable database to a server that is ready.

use std::time::Duration;

use anyhow::{Context, bail};
use candle_core::Device;
use tokio::sync::watch;
use tokio::{task, time};
use tokio_util::sync::CancellationToken;

use crate::app::shipped;
use crate::background::Nudge;
use crate::domain::{ModelVersionId, RetrainingPolicy, Task, TaskName};
use crate::grpc::Health;
use crate::model::Checkpoint;
use crate::serving::{self, Champions, Handle};
use crate::store::{self, OpenError, Store};

/// Between two tries to reach a database that was not there.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// What one look at what is champion may take, loading included.
const FOLLOW_TIMEOUT: Duration = Duration::from_mins(1);
/// Between two looks at what is champion, where no nudge comes.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(5);

/// All that the server needs to become ready.
pub(in crate::app) struct Startup {
    pub config: store::Config,
    /// A checkpoint that is served whatever the store says, and for which task.
    pub pinned: Option<(TaskName, Checkpoint)>,
    pub handle: Handle,
    pub device: Device,
    /// Where calls find the store.
    pub store: watch::Sender<Option<Store>>,
    pub health: Health,
    /// Says that tasks or champions may have changed.
    pub nudge: Nudge,
}

impl Startup {
    /// Opens the store, seeds it where it is empty, and loads what is champion. Safe to repeat.
    ///
    /// # Errors
    /// When any of it fails; [`is_transient`] tells whether trying again may help.
    pub async fn attempt(&self) -> anyhow::Result<Champions> {
        let store = Store::connect(&self.config).await?;
        store.migrate(self.config.migrate).await?;
        seed(&store).await?;
        if let Some((name, checkpoint)) = &self.pinned {
            self.pin(&store, name, checkpoint).await?;
        }
        let pinned = self.pinned.as_ref().map(|(name, _)| name.clone());
        let champions = Champions::new(store.clone(), self.handle.clone(), self.device.clone(), pinned);
        let tasks = champions.follow().await?;
        tracing::info!(%store, "keeping data");
        self.store.send_replace(Some(store));
        self.health.ready().await;
        self.report(&tasks).await;
        Ok(champions)
    }

    async fn pin(&self, store: &Store, name: &TaskName, checkpoint: &Checkpoint) -> anyhow::Result<()> {
        let Some(stored) = store.task_by_name(name).await? else {
            bail!("task {name} of the checkpoint is not known (--checkpoint, --task)");
        };
        if stored.archived_at.is_some() {
            bail!("task {name} of the checkpoint is archived (--checkpoint, --task)");
        }
        let (checkpoint, device) = (checkpoint.clone(), self.device.clone());
        let loaded = task::spawn_blocking(move || serving::load(stored.task, &checkpoint, &device));
        self.handle.swap(loaded.await.context("loading died")??);
        Ok(())
    }

    /// Looks once at what is champion. A database that falls silent is asked again, on another connection.
    async fn follow(&self, champions: &Champions) {
        let error: Box<dyn std::error::Error + Send + Sync> =
            match time::timeout(FOLLOW_TIMEOUT, champions.follow()).await {
                Ok(Ok(tasks)) => return self.report(&tasks).await,
                Ok(Err(error)) => error.into(),
                Err(elapsed) => elapsed.into(),
            };
        let error = &*error as &dyn std::error::Error;
        tracing::warn!(error, "could not ask the database for champions, trying again");
    }

    /// Tells who asks for the health of a task alone.
    async fn report(&self, tasks: &[TaskName]) {
        for task in tasks {
            let is_served = self.handle.champion(task).is_some() && self.handle.refused(task).is_none();
            self.health.task(task, is_served).await;
        }
    }

    /// Goes on until `stop`: becomes ready if it is not yet, then follows the store.
    ///
    /// # Errors
    /// When the database, once there, cannot be used.
    pub async fn run(self, ready: Option<Champions>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut champions = ready;
        loop {
            let interval = if champions.is_some() { FOLLOW_INTERVAL } else { RETRY_INTERVAL };
            if !self.nudge.wait(interval, &stop).await {
                return Ok(());
            }
            let round = async {
                match &champions {
                    Some(champions) => self.follow(champions).await,
                    None => match self.attempt().await {
                        Ok(ready) => champions = Some(ready),
                        Err(error) if is_transient(&error) => tracing::warn!("{error:#}, trying again"),
                        Err(error) => return Err(error),
                    },
                }
                Ok(())
            };
            match stop.run_until_cancelled(round).await {
                Some(round) => round?,
                None => return Ok(()),
            }
        }
    }
}

/// Whether the database may be there the next time.
pub(in crate::app) fn is_transient(error: &anyhow::Error) -> bool {
    let unavailable = |error: &store::Error| matches!(error, store::Error::Unavailable(_));
    match error.downcast_ref::<OpenError>() {
        Some(OpenError::Store(error)) => unavailable(error),
        Some(_) => false,
        None => error.downcast_ref::<store::Error>().is_some_and(unavailable),
    }
}

/// Gives a database that lacks them the built-in task and the version this binary is shipped with.
async fn seed(store: &Store) -> anyhow::Result<()> {
    let task = Task::nasbench201_cifar10();
    if store.task_by_name(&task.name).await?.is_none() {
        // Another replica may be first, which is as good.
        store.task_insert(&task, &RetrainingPolicy::default(), None).await?;
    }
    if store.champion_of(&task.name).await?.is_none() {
        let checkpoint = shipped::checkpoint()?;
        let version = ModelVersionId::of_digest(&checkpoint.digest());
        store.champion_seed(&task.name, &version, checkpoint.as_bytes()).await?;
    }
    Ok(())
}
