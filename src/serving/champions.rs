//! Follows the store: which tasks there are, and which version is the champion of each.

use candle_core::Device;
use tokio::task;

use crate::domain::{Task, TaskName};
use crate::model::Checkpoint;
use crate::serving::{Handle, LoadError, ServedTask, load};
use crate::store::{self, Changes, Store};

/// Entries of a page of tasks.
const PAGE_SIZE: u32 = 500;

/// Has calls answered by what the store says. The road of every start, promotion and rollback, here or at
/// another replica.
#[derive(Debug)]
pub struct Champions {
    store: Store,
    handle: Handle,
    device: Device,
    /// Of these tasks, what the store says is not followed.
    pinned: Option<TaskName>,
}

impl Champions {
    /// Follows `store`, except that the version of `pinned` stays what it is.
    #[must_use]
    pub fn new(store: Store, handle: Handle, device: Device, pinned: Option<TaskName>) -> Self {
        Self { store, handle, device, pinned }
    }

    /// News that there may be something to follow. It can be lost: look now and then all the same.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.store.listen()
    }

    /// Makes what is served what the store says, and answers which tasks there are. A champion that cannot
    /// be loaded leaves its task with the version it had, and is reported; the others do not notice.
    ///
    /// # Errors
    /// When the store cannot be asked: then everything stays as far as it has come. When it failed for some task: the
    /// others are followed.
    pub async fn follow(&self) -> Result<Vec<TaskName>, store::Error> {
        let tasks = self.tasks().await?;
        let mut failed = None;
        for ServedTask { task, .. } in &tasks {
            if self.pinned.as_ref() == Some(&task.name) {
                continue;
            }
            match self.follow_task(task).await {
                Err(error @ store::Error::Unavailable(_)) => return Err(error),
                Err(error) => failed = Some(error),
                Ok(()) => {}
            }
        }
        let names = tasks.iter().map(|served| served.task.name.clone()).collect();
        // Last: a task that has a champion is at no time known without one.
        self.handle.know(tasks);
        failed.map_or(Ok(names), Err)
    }

    async fn follow_task(&self, task: &Task) -> Result<(), store::Error> {
        let Some(champion) = self.store.champion_of(&task.name).await? else { return Ok(()) };
        if self.handle.champion(&task.name).as_ref() == Some(&champion) {
            if self.handle.refused(&task.name).is_some() {
                // Champion again, after another one that could not be loaded.
                self.handle.forget_refused(&task.name);
            }
            return Ok(());
        }
        if self.handle.refused(&task.name).as_ref() == Some(&champion) {
            return Ok(());
        }
        let checkpoint = match self.store.checkpoint_of(&task.name, &champion).await {
            Err(error @ (store::Error::Unavailable(_) | store::Error::Database(_))) => return Err(error),
            checkpoint => checkpoint,
        };
        // Tried and reported once.
        if let Err(error) = self.load(task.clone(), checkpoint).await {
            let error = &*error as &dyn std::error::Error;
            tracing::error!(task = %task.name, version = %champion, error, "champion cannot be served");
            self.handle.refuse(task, champion);
        }
        Ok(())
    }

    async fn load(
        &self,
        task: Task,
        checkpoint: Result<Option<Vec<u8>>, store::Error>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let bytes = checkpoint?.ok_or("its checkpoint is gone")?;
        let device = self.device.clone();
        let loaded = task::spawn_blocking(move || {
            let checkpoint = Checkpoint::from_bytes(&bytes)
                .map_err(|source| LoadError::Checkpoint { task: task.name.clone(), source })?;
            load(task, &checkpoint, &device)
        });
        self.handle.swap(loaded.await??);
        Ok(())
    }

    /// All tasks that are not archived.
    async fn tasks(&self) -> Result<Vec<ServedTask>, store::Error> {
        let mut tasks: Vec<ServedTask> = Vec::new();
        loop {
            let last = tasks.last().map(|served| &served.task.name);
            let page = self.store.tasks_page(last, PAGE_SIZE, false).await?;
            let is_last = page.len() < PAGE_SIZE as usize;
            tasks.extend(page.into_iter().map(ServedTask::from));
            if is_last {
                return Ok(tasks);
            }
        }
    }
}
