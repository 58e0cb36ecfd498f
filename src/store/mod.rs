//! What is kept: tasks, observations, model versions and their checkpoints, on PostgreSQL or on an
//! embedded SQLite file, behind one contract.
//!
//! This room knows SQL, migrations and transactions. It knows nothing of tensors, queues or the wire.

use crate::domain::{
    ModelVersionId, Observation, ObservationFilter, Recorded, Retraction, RetrainingPolicy, Sequence,
    StoredObservation, StoredTask, Task, TaskName,
};

/// Where everything is kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {}

/// What a creating call is known by when it is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// As the client chose it.
    pub id: String,
    /// Of the body it came with.
    pub digest: [u8; 32],
}

/// What became of a task that was to be created.
#[derive(Clone, Debug)]
pub enum TaskInserted {
    /// It is there now, or was made by the same request before.
    Created(StoredTask),
    /// Another task has the name.
    NameTaken,
    /// The request id came before with another body.
    RequestReused,
}

/// What became of a retraction that was to be undone.
#[derive(Clone, Debug)]
pub struct Undone {
    /// The retraction, undone now or before.
    pub retraction: Retraction,
    /// What became of each observation it had taken back, by its old number; empty where it was undone before.
    pub recorded: Vec<(Sequence, Recorded)>,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached, or is too busy: the same call may succeed later.
    #[error("database is not reachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no such task.
    #[error("task {0} is not known")]
    UnknownTask(TaskName),
    /// The task takes nothing new.
    #[error("task {0} is archived")]
    Archived(TaskName),
}

impl Store {
    pub async fn task_insert(
        &self,
        _task: &Task,
        _policy: &RetrainingPolicy,
        _request: Option<&RequestKey>,
    ) -> Result<TaskInserted, Error> {
        unimplemented!()
    }
    pub async fn task_by_name(&self, _name: &TaskName) -> Result<Option<StoredTask>, Error> {
        unimplemented!()
    }
    /// Ascending by name.
    pub async fn tasks_page(
        &self,
        _after: Option<&TaskName>,
        _limit: u32,
        _with_archived: bool,
    ) -> Result<Vec<StoredTask>, Error> {
        unimplemented!()
    }
    pub async fn task_policy_update(
        &self,
        _name: &TaskName,
        _policy: &RetrainingPolicy,
    ) -> Result<Option<StoredTask>, Error> {
        unimplemented!()
    }
    pub async fn task_archive(&self, _name: &TaskName) -> Result<Option<StoredTask>, Error> {
        unimplemented!()
    }

    /// All observations are of `task`. In one transaction.
    pub async fn observations_insert(
        &self,
        _task: &TaskName,
        _observations: &[Observation],
    ) -> Result<Vec<Recorded>, Error> {
        unimplemented!()
    }
    /// Live ones, or with the retracted ones; ascending by number, after the given one.
    pub async fn observations_page(
        &self,
        _task: &TaskName,
        _filter: &ObservationFilter,
        _with_retracted: bool,
        _after: Sequence,
        _limit: u32,
    ) -> Result<Vec<StoredObservation>, Error> {
        unimplemented!()
    }
    /// Those that were live when `up_to` was the last number: the same rows whenever it is asked.
    pub async fn snapshot_page(
        &self,
        _task: &TaskName,
        _up_to: Sequence,
        _after: Sequence,
        _limit: u32,
    ) -> Result<Vec<StoredObservation>, Error> {
        unimplemented!()
    }
    /// Takes back every live observation that meets the filter.
    pub async fn observations_retract(
        &self,
        _task: &TaskName,
        _filter: &ObservationFilter,
        _reason: &str,
    ) -> Result<Retraction, Error> {
        unimplemented!()
    }
    pub async fn retraction_undo(
        &self,
        _task: &TaskName,
        _retraction: Sequence,
    ) -> Result<Option<Undone>, Error> {
        unimplemented!()
    }
    pub async fn retractions_page(
        &self,
        _task: &TaskName,
        _after: Sequence,
        _limit: u32,
    ) -> Result<Vec<Retraction>, Error> {
        unimplemented!()
    }

    /// Stores a checkpoint as the first version and champion of a task that has none yet.
    pub async fn champion_seed(
        &self,
        _task: &TaskName,
        _version: &ModelVersionId,
        _checkpoint: &[u8],
    ) -> Result<(), Error> {
        unimplemented!()
    }
    pub async fn champion_of(&self, _task: &TaskName) -> Result<Option<ModelVersionId>, Error> {
        unimplemented!()
    }
    pub async fn checkpoint_of(
        &self,
        _task: &TaskName,
        _version: &ModelVersionId,
    ) -> Result<Option<Vec<u8>>, Error> {
        unimplemented!()
    }
}
