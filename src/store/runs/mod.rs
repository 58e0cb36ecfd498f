//! Training runs, which are also the queue of the work to be done.

mod finish;
mod leased;
mod queue;

pub use finish::{Finish, NewVersion, Promote};
pub use leased::{Fenced, Heartbeat};
pub use queue::{ClaimedRun, Enqueued};

use crate::domain::{RunId, TaskName, TrainingRun};
use crate::store::{Error, Store};

impl Store {
    /// The run of that number.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn run_by_id(&self, run: RunId) -> Result<Option<TrainingRun>, Error> {
        unimplemented!("{run}")
    }

    /// Up to `limit` runs, of one task or of all, the newest first: those older than `after`.
    ///
    /// # Errors
    /// When the database fails or a row cannot be read.
    pub async fn runs_page(
        &self,
        task: Option<&TaskName>,
        after: Option<RunId>,
        limit: u32,
    ) -> Result<Vec<TrainingRun>, Error> {
        unimplemented!("{task:?} {after:?} {limit}")
    }

    /// The newest run of a task, whatever its state: the unfinished one where there is one. `None` where
    /// there was none yet, or there is no such task.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn last_run_of(&self, task: &TaskName) -> Result<Option<TrainingRun>, Error> {
        unimplemented!("{task}")
    }
}
