//! Model versions, which of them is champion, and their checkpoints' bytes, which are kept apart.

use sha2::{Digest, Sha256};

use crate::domain::{ModelVersion, ModelVersionId, Origin, RunId, Sequence, TaskName, Timestamp};
use crate::store::backend::{Backend, Connection, Transaction, on, row};
use crate::store::champions::{self, Change};
use crate::store::error::Cause;
use crate::store::tasks::{KnownTask, json};
use crate::store::{Error, NewVersion, Store, postgres};

/// A query of versions: the columns of a [`VersionRow`], and which.
macro_rules! select_versions {
    ($which:literal) => {
        concat!(
            "SELECT version,
                    name,
                    origin,
                    run_id,
                    trained_up_to,
                    report,
                    decision,
                    model_versions.created_at,
                    is_champion,
                    dropped_at IS NULL AS is_kept
             FROM model_versions
             JOIN tasks ON tasks.task_id = model_versions.task_id
             JOIN checkpoints ON checkpoints.digest = model_versions.digest ",
            $which
        )
    };
}

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
        let row = NewRow {
            id: version,
            digest: &digest,
            provenance: Provenance::SHIPPED,
            report: None,
            decision: None,
        };
        version_insert(tx.connection(), &known, &row, now).await?;
        let change = Change { from: None, to: version, who: "tagates", why: "shipped", rolls_back: None };
        champions::change(&mut tx, &known, &change, now).await?;
        self.commit_and_tell(tx).await
    }

    /// The champion of a task, `None` where it has none or there is no such task.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn champion_of(&self, task: &TaskName) -> Result<Option<ModelVersionId>, Error> {
        let version = champion_by_name(self.reader().await?.connection(), task).await?;
        Ok(version.map(ModelVersionId))
    }

    /// The checkpoint of a version, `None` where the task has no such version or its checkpoint was dropped. Its
    /// digest was checked.
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
        let mut tx = self.begin().await?;
        let known = KnownTask::lock_open(&mut tx, task).await?;
        let now = tx.connection().now().await?;
        let checkpoint = Checkpoint::new(&version.checkpoint);
        let is_new = checkpoint.insert(&mut tx, &known, version, Provenance::IMPORTED, now).await?;
        let inserted = version_by_id(tx.connection(), task, &checkpoint.id).await?;
        let inserted = inserted.ok_or_else(|| checkpoint.lost(task))?;
        self.commit_and_tell(tx).await?;
        Ok(if is_new { VersionInserted::New(inserted) } else { VersionInserted::Same(inserted) })
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
        version_by_id(self.reader().await?.connection(), task, version).await
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
        let mut reader = self.reader().await?;
        let known = KnownTask::find(reader.connection(), task).await?;
        let rows = versions_before(reader.connection(), &known, after, limit).await?;
        rows.into_iter().map(ModelVersion::try_from).collect()
    }

    /// Drops the checkpoints of a task's versions but for the `keep` newest and all that are or were champion,
    /// and says how many. The versions stay, with their reports.
    ///
    /// # Errors
    /// When the task is unknown, or the database fails.
    pub async fn versions_prune(&self, task: &TaskName, keep: u32) -> Result<u64, Error> {
        let mut tx = self.begin().await?;
        let known = KnownTask::lock(&mut tx, task).await?;
        checkpoints_lock(tx.connection(), &known).await?;
        let now = tx.connection().now().await?;
        // Only now, so that it sees what other tasks stored until they were locked out.
        let n_dropped = checkpoints_drop(tx.connection(), &known, keep, now).await?;
        tx.commit().await?;
        Ok(n_dropped)
    }
}

/// A checkpoint that becomes a version.
pub(in crate::store) struct Checkpoint<'a> {
    /// Of the version.
    pub id: ModelVersionId,
    digest: [u8; 32],
    bytes: &'a [u8],
}

impl<'a> Checkpoint<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        let digest = Sha256::digest(bytes).into();
        Self { id: ModelVersionId::of_digest(&digest), digest, bytes }
    }

    /// Stores it as a version of a task that is locked. Whether it is a new one.
    pub async fn insert(
        &self,
        tx: &mut Transaction,
        task: &KnownTask,
        version: &NewVersion,
        provenance: Provenance,
        now: i64,
    ) -> Result<bool, Error> {
        checkpoint_insert(tx.connection(), &self.digest, self.bytes).await?;
        let row = NewRow {
            id: &self.id,
            digest: &self.digest,
            provenance,
            report: version.report.as_ref().map(json),
            decision: version.decision.as_ref().map(json),
        };
        if version_insert(tx.connection(), task, &row, now).await? {
            return Ok(true);
        }
        let digest = digest_by_version(tx.connection(), task, &self.id).await?;
        if digest.as_deref() == Some(&self.digest[..]) {
            Ok(false)
        } else {
            let what = format!("version {} of task {}", self.id, task.task.task.name);
            Err(Error::corrupt(what, "it is of another checkpoint"))
        }
    }

    /// Versions are never deleted.
    fn lost(&self, task: &TaskName) -> Error {
        Error::corrupt(format!("version {} of task {task}", self.id), "it is gone")
    }
}

/// Where a version comes from.
#[derive(Clone, Copy)]
pub(in crate::store) struct Provenance {
    pub origin: Origin,
    pub run: Option<RunId>,
    pub trained_up_to: Option<Sequence>,
}

impl Provenance {
    const SHIPPED: Self = Self { origin: Origin::Shipped, run: None, trained_up_to: None };
    const IMPORTED: Self = Self { origin: Origin::Imported, run: None, trained_up_to: None };
}

/// A version that is to be stored.
struct NewRow<'a> {
    id: &'a ModelVersionId,
    digest: &'a [u8],
    provenance: Provenance,
    report: Option<String>,
    decision: Option<String>,
}

async fn versions_count(connection: Connection<'_>, task: &KnownTask) -> Result<i64, Error> {
    const VERSIONS_COUNT: &str = "SELECT count(*) FROM model_versions WHERE task_id = $1";
    Ok(on!(connection, |connection| {
        sqlx::query_scalar(VERSIONS_COUNT).bind(task.id).fetch_one(connection).await
    })?)
}

/// Two tasks may have the same checkpoint; it is stored once. Nobody else drops it until the transaction ends,
/// for it is locked even where it is there already.
async fn checkpoint_insert(connection: Connection<'_>, digest: &[u8], bytes: &[u8]) -> Result<(), Error> {
    const CHECKPOINT_INSERT: &str = "
        INSERT INTO checkpoints (digest, bytes)
        VALUES ($1, $2)
        ON CONFLICT (digest) DO UPDATE
        SET bytes = excluded.bytes,
            dropped_at = NULL
        WHERE checkpoints.dropped_at IS NOT NULL";
    on!(connection, |connection| {
        sqlx::query(CHECKPOINT_INSERT).bind(digest).bind(bytes).execute(connection).await.map(drop)
    })?;
    Ok(())
}

/// Whether the task had no such version.
async fn version_insert(
    connection: Connection<'_>,
    task: &KnownTask,
    row: &NewRow<'_>,
    now: i64,
) -> Result<bool, Error> {
    const VERSION_INSERT: &str = "
        INSERT INTO model_versions (
            task_id,
            version,
            digest,
            created_at,
            origin,
            run_id,
            trained_up_to,
            report,
            decision
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (task_id, version) DO NOTHING";
    let n_inserted = on!(connection, |connection| {
        sqlx::query(VERSION_INSERT)
            .bind(task.id)
            .bind(&row.id.0)
            .bind(row.digest)
            .bind(now)
            .bind(origin_text(row.provenance.origin))
            .bind(row.provenance.run.map(|run| run.0))
            .bind(row.provenance.trained_up_to.map(|up_to| up_to.0))
            .bind(&row.report)
            .bind(&row.decision)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_inserted == 1)
}

async fn digest_by_version(
    connection: Connection<'_>,
    task: &KnownTask,
    version: &ModelVersionId,
) -> Result<Option<Vec<u8>>, Error> {
    const DIGEST_BY_VERSION: &str = "SELECT digest FROM model_versions WHERE task_id = $1 AND version = $2";
    Ok(on!(connection, |connection| {
        sqlx::query_scalar(DIGEST_BY_VERSION).bind(task.id).bind(&version.0).fetch_optional(connection).await
    })?)
}

pub(in crate::store) async fn version_by_id(
    connection: Connection<'_>,
    task: &TaskName,
    version: &ModelVersionId,
) -> Result<Option<ModelVersion>, Error> {
    const VERSION_BY_ID: &str = select_versions!("WHERE name = $1 AND version = $2");
    let row: Option<VersionRow> = on!(connection, |connection| {
        sqlx::query_as(VERSION_BY_ID).bind(task.as_str()).bind(&version.0).fetch_optional(connection).await
    })?;
    row.map(ModelVersion::try_from).transpose()
}

async fn versions_before(
    connection: Connection<'_>,
    task: &KnownTask,
    before: Option<&ModelVersionId>,
    limit: u32,
) -> Result<Vec<VersionRow>, Error> {
    const VERSIONS: &str = select_versions!(
        "WHERE model_versions.task_id = $1
         ORDER BY model_versions.created_at DESC, version DESC
         LIMIT $2"
    );
    const VERSIONS_BEFORE: &str = select_versions!(
        "WHERE model_versions.task_id = $1
           AND (model_versions.created_at, version) < (
               SELECT last.created_at, last.version
               FROM model_versions AS last
               WHERE last.task_id = $1 AND last.version = $3
           )
         ORDER BY model_versions.created_at DESC, version DESC
         LIMIT $2"
    );
    Ok(on!(connection, |connection| {
        match before {
            Some(before) => {
                sqlx::query_as(VERSIONS_BEFORE)
                    .bind(task.id)
                    .bind(i64::from(limit))
                    .bind(&before.0)
                    .fetch_all(connection)
                    .await
            }
            None => sqlx::query_as(VERSIONS).bind(task.id).bind(i64::from(limit)).fetch_all(connection).await,
        }
    })?)
}

async fn checkpoints_lock(connection: Connection<'_>, task: &KnownTask) -> Result<(), Error> {
    match connection {
        // A transaction is the only writer from its beginning.
        Backend::Sqlite(_) => {}
        Backend::Postgres(connection) => {
            sqlx::query(postgres::CHECKPOINTS_LOCK).bind(task.id).execute(connection).await?;
        }
    }
    Ok(())
}

/// Drops checkpoints that only versions of the task have which are neither among its `keep` newest nor in the
/// history of its champions.
async fn checkpoints_drop(
    connection: Connection<'_>,
    task: &KnownTask,
    keep: u32,
    now: i64,
) -> Result<u64, Error> {
    const CHECKPOINTS_DROP: &str = "
        UPDATE checkpoints
        SET bytes = $3,
            dropped_at = $4
        WHERE dropped_at IS NULL
          AND digest IN (SELECT digest FROM model_versions WHERE task_id = $1)
          AND NOT EXISTS (
              SELECT 1
              FROM model_versions
              WHERE model_versions.digest = checkpoints.digest
                AND (
                    task_id <> $1
                    OR is_champion
                    OR version IN (SELECT to_version FROM promotions WHERE promotions.task_id = $1)
                    OR version IN (
                        SELECT from_version
                        FROM promotions
                        WHERE promotions.task_id = $1 AND from_version IS NOT NULL
                    )
                    OR version IN (
                        SELECT newest.version
                        FROM model_versions AS newest
                        WHERE newest.task_id = $1
                        ORDER BY newest.created_at DESC, newest.version DESC
                        LIMIT $2
                    )
                )
          )";
    Ok(on!(connection, |connection| {
        sqlx::query(CHECKPOINTS_DROP)
            .bind(task.id)
            .bind(i64::from(keep))
            .bind(&[0_u8; 0][..])
            .bind(now)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?)
}

row! {
    struct VersionRow {
        version: String,
        name: String,
        origin: String,
        run_id: Option<i64>,
        trained_up_to: Option<i64>,
        report: Option<String>,
        decision: Option<String>,
        created_at: i64,
        is_champion: bool,
        is_kept: bool,
    }
}

impl TryFrom<VersionRow> for ModelVersion {
    type Error = Error;

    fn try_from(row: VersionRow) -> Result<Self, Error> {
        let what = format!("version {} of task {}", row.version, row.name);
        row.version().map_err(|source| Error::corrupt(what, source))
    }
}

impl VersionRow {
    fn version(self) -> Result<ModelVersion, Cause> {
        let parse = |text: Option<String>| text.map(|text| serde_json::from_str(&text)).transpose();
        Ok(ModelVersion {
            id: ModelVersionId(self.version),
            task: TaskName::new(&self.name)?,
            origin: origin(&self.origin)?,
            run: self.run_id.map(RunId),
            trained_up_to: self.trained_up_to.map(Sequence),
            report: parse(self.report)?,
            decision: parse(self.decision)?,
            created_at: Timestamp { unix_micros: self.created_at },
            is_champion: self.is_champion,
            is_kept: self.is_kept,
        })
    }
}

fn origin_text(origin: Origin) -> &'static str {
    match origin {
        Origin::Shipped => "shipped",
        Origin::Trained => "trained",
        Origin::Imported => "imported",
    }
}

fn origin(text: &str) -> Result<Origin, String> {
    match text {
        "shipped" => Ok(Origin::Shipped),
        "trained" => Ok(Origin::Trained),
        "imported" => Ok(Origin::Imported),
        _ => Err(format!("{text:?} is no origin of a version")),
    }
}

async fn champion_by_name(connection: Connection<'_>, task: &TaskName) -> Result<Option<String>, Error> {
    const CHAMPION_BY_NAME: &str = "
        SELECT version
        FROM model_versions
        JOIN tasks ON tasks.task_id = model_versions.task_id
        WHERE name = $1 AND is_champion";
    Ok(on!(connection, |connection| {
        sqlx::query_scalar(CHAMPION_BY_NAME).bind(task.as_str()).fetch_optional(connection).await
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
        WHERE name = $1 AND version = $2 AND dropped_at IS NULL";
    Ok(on!(connection, |connection| {
        sqlx::query_as(CHECKPOINT_BY_VERSION)
            .bind(task.as_str())
            .bind(&version.0)
            .fetch_optional(connection)
            .await
    })?)
}
