//! Model versions, which of them is champion, and their checkpoints' bytes, which are kept apart.

use sha2::{Digest, Sha256};

use crate::domain::{ModelVersion, ModelVersionId, TaskName};
use crate::store::backend::{Connection, on, row};
use crate::store::tasks::KnownTask;
use crate::store::{Error, NewVersion, Store};

/// What became of a checkpoint that was to become a version.
#[derive(Clone, Debug, PartialEq)]
pub enum VersionInserted {
    /// It is one now.
    New(ModelVersion),
    /// It was one already, and stays as it is.
    Same(ModelVersion),
}

impl Store {
    /// Stores a checkpoint as the first version and champion of a task that has none yet. Of a task that
    /// has one, nothing changes: a champion that was promoted stays.
    ///
    /// # Errors
    /// When the task is unknown, or the database fails.
    pub async fn champion_seed(
        &self,
        task: &TaskName,
        version: &ModelVersionId,
        checkpoint: &[u8],
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        let known = KnownTask::lock(&mut tx, task).await?;
        if versions_count(tx.connection(), &known).await? > 0 {
            return Ok(());
        }
        let now = tx.connection().now().await?;
        let digest: [u8; 32] = Sha256::digest(checkpoint).into();
        checkpoint_insert(tx.connection(), &digest, checkpoint).await?;
        champion_insert(tx.connection(), &known, version, &digest, now).await?;
        tx.commit().await
    }

    /// The champion of a task, `None` where it has none or there is no such task.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn champion_of(&self, task: &TaskName) -> Result<Option<ModelVersionId>, Error> {
        let version = champion_by_task(self.reader().await?.connection(), task).await?;
        Ok(version.map(ModelVersionId))
    }

    /// The checkpoint of a version, `None` where the task has no such version. Its digest was checked.
    ///
    /// # Errors
    /// When the database fails, or the bytes are not those that were stored.
    pub async fn checkpoint_of(
        &self,
        task: &TaskName,
        version: &ModelVersionId,
    ) -> Result<Option<Vec<u8>>, Error> {
        let row = checkpoint_by_version(self.reader().await?.connection(), task, version).await?;
        let Some(row) = row else { return Ok(None) };
        if row.digest == Sha256::digest(&row.bytes)[..] {
            Ok(Some(row.bytes))
        } else {
            let what = format!("checkpoint of version {version} of task {task}");
            Err(Error::corrupt(what, "its digest is another one"))
        }
    }

    /// Stores a checkpoint that somebody sent as a version of a task. It is not promoted.
    ///
    /// # Errors
    /// When the task is unknown or archived, or the database fails.
    pub async fn version_insert(
        &self,
        task: &TaskName,
        version: &NewVersion,
    ) -> Result<VersionInserted, Error> {
        unimplemented!("{task} {version:?}")
    }

    /// The version of that name, `None` where the task has no such version or there is no such task.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn version_by_id(
        &self,
        task: &TaskName,
        version: &ModelVersionId,
    ) -> Result<Option<ModelVersion>, Error> {
        unimplemented!("{task} {version}")
    }

    /// Up to `limit` versions of a task, the newest first: those older than `after`.
    ///
    /// # Errors
    /// When the task is unknown, the database fails or a row cannot be read.
    pub async fn versions_page(
        &self,
        task: &TaskName,
        after: Option<&ModelVersionId>,
        limit: u32,
    ) -> Result<Vec<ModelVersion>, Error> {
        unimplemented!("{task} {after:?} {limit}")
    }

    /// Drops the checkpoints of a task's versions but for the `keep` newest and all that are or were champion,
    /// and says how many. The versions stay, with their reports.
    ///
    /// # Errors
    /// When the task is unknown, or the database fails.
    pub async fn versions_prune(&self, task: &TaskName, keep: u32) -> Result<u64, Error> {
        unimplemented!("{task} {keep}")
    }
}

async fn versions_count(connection: Connection<'_>, task: &KnownTask) -> Result<i64, Error> {
    const VERSIONS_COUNT: &str = "SELECT count(*) FROM model_versions WHERE task_id = $1";
    Ok(on!(connection, |connection| {
        sqlx::query_scalar(VERSIONS_COUNT).bind(task.id).fetch_one(connection).await
    })?)
}

/// Two tasks may have the same checkpoint; it is stored once.
async fn checkpoint_insert(connection: Connection<'_>, digest: &[u8], bytes: &[u8]) -> Result<(), Error> {
    const CHECKPOINT_INSERT: &str =
        "INSERT INTO checkpoints (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    on!(connection, |connection| {
        sqlx::query(CHECKPOINT_INSERT).bind(digest).bind(bytes).execute(connection).await.map(drop)
    })?;
    Ok(())
}

async fn champion_insert(
    connection: Connection<'_>,
    task: &KnownTask,
    version: &ModelVersionId,
    digest: &[u8],
    now: i64,
) -> Result<(), Error> {
    const CHAMPION_INSERT: &str = "
        INSERT INTO model_versions (task_id, version, digest, created_at, origin, is_champion)
        VALUES ($1, $2, $3, $4, 'shipped', TRUE)";
    on!(connection, |connection| {
        sqlx::query(CHAMPION_INSERT)
            .bind(task.id)
            .bind(&version.0)
            .bind(digest)
            .bind(now)
            .execute(connection)
            .await
            .map(drop)
    })?;
    Ok(())
}

async fn champion_by_task(connection: Connection<'_>, task: &TaskName) -> Result<Option<String>, Error> {
    const CHAMPION_BY_TASK: &str = "
        SELECT version
        FROM model_versions
        JOIN tasks ON tasks.task_id = model_versions.task_id
        WHERE name = $1 AND is_champion";
    Ok(on!(connection, |connection| {
        sqlx::query_scalar(CHAMPION_BY_TASK).bind(task.as_str()).fetch_optional(connection).await
    })?)
}

row! {
    struct CheckpointRow {
        digest: Vec<u8>,
        bytes: Vec<u8>,
    }
}

async fn checkpoint_by_version(
    connection: Connection<'_>,
    task: &TaskName,
    version: &ModelVersionId,
) -> Result<Option<CheckpointRow>, Error> {
    const CHECKPOINT_BY_VERSION: &str = "
        SELECT checkpoints.digest,
               bytes
        FROM checkpoints
        JOIN model_versions ON model_versions.digest = checkpoints.digest
        JOIN tasks ON tasks.task_id = model_versions.task_id
        WHERE name = $1 AND version = $2";
    Ok(on!(connection, |connection| {
        sqlx::query_as(CHECKPOINT_BY_VERSION)
            .bind(task.as_str())
            .bind(&version.0)
            .fetch_optional(connection)
            .await
    })?)
}
