//! Tasks: created once, then only their settings, their archiving and their last number change.

use std::ops::RangeInclusive;

use crate::domain::{
    Budget, Goal, Holdout, Sequence, StoredTask, Task, TaskName, TaskSettings, Timestamp, Unit,
};
use crate::store::backend::{Backend, Connection, Transaction, on, row};
use crate::store::error::Cause;
use crate::store::requests::{Creates, Taken, request_take};
use crate::store::runs;
use crate::store::search_spaces::resolved;
use crate::store::{Error, RequestKey, Store, TaskInserted, postgres};

/// A query of tasks: the columns of a [`TaskRow`], and which.
macro_rules! select_tasks {
    ($which:literal) => {
        concat!(
            "SELECT task_id,
                    name,
                    space,
                    dataset,
                    metric,
                    goal,
                    unit,
                    valid_min,
                    valid_max,
                    budgets,
                    holdout_salt,
                    holdout_share,
                    policy,
                    saliency_proxy,
                    created_at,
                    archived_at,
                    last_sequence,
                    promotion_paused_at,
                    space_definition
             FROM tasks
             LEFT JOIN (SELECT name AS space_name, definition AS space_definition FROM search_spaces) AS created
                 ON space_name = space ",
            $which
        )
    };
}

impl Store {
    /// Creates a task. Sent again with the same request, it is the task that was created then.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn task_insert(
        &self,
        task: &Task,
        settings: impl Into<TaskSettings> + Send,
        request: Option<&RequestKey>,
    ) -> Result<TaskInserted, Error> {
        let settings = settings.into();
        let mut tx = self.begin().await?;
        let now = tx.connection().now().await?;
        if let Some(request) = request {
            match request_take(&mut tx, request, Creates::Task(task.name.as_str()), now).await? {
                Taken::New => {}
                Taken::Before(name) => return created_before(tx, request, &name).await,
                Taken::Reused => {
                    tx.rollback().await?;
                    return Ok(TaskInserted::RequestReused);
                }
            }
        }
        if !task_insert(tx.connection(), task, &settings, now).await? {
            tx.rollback().await?;
            return Ok(TaskInserted::NameTaken);
        }
        let created = task_by_name(tx.connection(), &task.name).await?.ok_or_else(|| lost(&task.name))?;
        self.commit_and_tell(tx).await?;
        Ok(TaskInserted::Created(created.task))
    }

    /// The task of that name.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn task_by_name(&self, name: &TaskName) -> Result<Option<StoredTask>, Error> {
        let found = task_by_name(self.reader().await?.connection(), name).await?;
        Ok(found.map(|known| known.task))
    }

    /// Up to `limit` tasks after a name, ascending by name. One that this binary cannot read, as of a search
    /// space that only a newer one knows, is reported and passed over: it is no reason to lose the others.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn tasks_page(
        &self,
        after: Option<&TaskName>,
        limit: u32,
        with_archived: bool,
    ) -> Result<Vec<StoredTask>, Error> {
        let mut reader = self.reader().await?;
        let mut after = after.map_or(String::new(), |name| name.as_str().to_owned());
        let mut tasks = Vec::new();
        loop {
            let n_missing = limit - tasks.len() as u32;
            let rows = tasks_after(reader.connection(), &after, n_missing, with_archived).await?;
            let Some(last) = rows.last() else { return Ok(tasks) };
            after.clone_from(&last.name);
            for row in rows {
                match KnownTask::try_from(row) {
                    Ok(known) => tasks.push(known.task),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "passing over a task that this binary cannot read");
                    }
                }
            }
        }
    }

    /// Changes the settings of a task; changes at the same time come one after the other. `None` where there is
    /// no such task.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn task_update(
        &self,
        name: &TaskName,
        change: impl FnOnce(TaskSettings) -> TaskSettings + Send,
    ) -> Result<Option<StoredTask>, Error> {
        let mut tx = self.begin().await?;
        let known = match KnownTask::lock(&mut tx, name).await {
            Err(Error::UnknownTask(_)) => return Ok(None),
            known => known?,
        };
        let StoredTask { policy, saliency_proxy, .. } = known.task;
        let settings = change(TaskSettings { policy, saliency_proxy });
        settings_update(tx.connection(), name, &settings).await?;
        self.commit_and_tell(tx).await?;
        let TaskSettings { policy, saliency_proxy } = settings;
        Ok(Some(StoredTask { policy, saliency_proxy, ..known.task }))
    }

    /// Archives a task, and cancels its unfinished run; again changes nothing. `None` where there is no such task.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn task_archive(&self, name: &TaskName) -> Result<Option<StoredTask>, Error> {
        let mut tx = self.begin().await?;
        let now = tx.connection().now().await?;
        task_archive(tx.connection(), name, now).await?;
        let archived = task_by_name(tx.connection(), name).await?;
        if let Some(known) = &archived {
            runs::cancel_unfinished(&mut tx, known, now).await?;
        }
        self.commit_and_tell(tx).await?;
        Ok(archived.map(|known| known.task))
    }
}

/// A stored task and the number by which other rows refer to it.
#[derive(Debug)]
pub(in crate::store) struct KnownTask {
    pub id: i64,
    pub task: StoredTask,
}

impl KnownTask {
    /// The task, which nobody else changes until the transaction ends.
    ///
    /// # Errors
    /// When it is unknown, or the database fails.
    pub async fn lock(tx: &mut Transaction, name: &TaskName) -> Result<Self, Error> {
        task_lock(tx.connection(), name).await?;
        Self::find(tx.connection(), name).await
    }

    /// The same, of a task that takes something new.
    ///
    /// # Errors
    /// When it is unknown or archived, or the database fails.
    pub async fn lock_open(tx: &mut Transaction, name: &TaskName) -> Result<Self, Error> {
        let known = Self::lock(tx, name).await?;
        match known.task.archived_at {
            Some(_) => Err(Error::Archived(name.clone())),
            None => Ok(known),
        }
    }

    /// The task.
    ///
    /// # Errors
    /// When it is unknown, or the database fails.
    pub async fn find(connection: Connection<'_>, name: &TaskName) -> Result<Self, Error> {
        task_by_name(connection, name).await?.ok_or_else(|| Error::UnknownTask(name.clone()))
    }

    /// Counts the numbers that were given up to `last`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_sequence_update(
        &self,
        connection: Connection<'_>,
        last: Sequence,
    ) -> Result<(), Error> {
        const LAST_SEQUENCE_UPDATE: &str = "UPDATE tasks SET last_sequence = $2 WHERE task_id = $1";
        on!(connection, |connection| {
            sqlx::query(LAST_SEQUENCE_UPDATE).bind(self.id).bind(last.0).execute(connection).await.map(drop)
        })?;
        Ok(())
    }
}

/// What a request that came before is answered.
async fn created_before(
    mut tx: Transaction,
    request: &RequestKey,
    name: &str,
) -> Result<TaskInserted, Error> {
    let name =
        TaskName::new(name).map_err(|source| Error::corrupt(format!("request {}", request.id), source))?;
    let before = task_by_name(tx.connection(), &name).await?.ok_or_else(|| lost(&name))?;
    tx.commit().await?;
    Ok(TaskInserted::Created(before.task))
}

/// Tasks are never deleted.
fn lost(name: &TaskName) -> Error {
    Error::corrupt(format!("task {name}"), "it is gone")
}

/// Whether the name was free.
async fn task_insert(
    connection: Connection<'_>,
    task: &Task,
    settings: &TaskSettings,
    now: i64,
) -> Result<bool, Error> {
    const TASK_INSERT: &str = "
        INSERT INTO tasks (
            name,
            space,
            dataset,
            metric,
            goal,
            unit,
            valid_min,
            valid_max,
            budgets,
            holdout_salt,
            holdout_share,
            policy,
            saliency_proxy,
            created_at
        )
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        ON CONFLICT (name) DO NOTHING";
    let n_inserted = on!(connection, |connection| {
        sqlx::query(TASK_INSERT)
            .bind(task.name.as_str())
            .bind(&task.space.name)
            .bind(&task.dataset)
            .bind(&task.metric)
            .bind(goal_text(task.goal))
            .bind(unit_text(task.unit))
            .bind(*task.valid_range.start())
            .bind(*task.valid_range.end())
            .bind(json(&task.budgets))
            .bind(task.holdout.salt())
            .bind(task.holdout.share())
            .bind(json(&settings.policy))
            .bind(settings.saliency_proxy.as_ref().map(json))
            .bind(now)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_inserted == 1)
}

pub(in crate::store) async fn task_by_name(
    connection: Connection<'_>,
    name: &TaskName,
) -> Result<Option<KnownTask>, Error> {
    const TASK_BY_NAME: &str = select_tasks!("WHERE name = $1");
    let row: Option<TaskRow> = on!(connection, |connection| {
        sqlx::query_as(TASK_BY_NAME).bind(name.as_str()).fetch_optional(connection).await
    })?;
    row.map(KnownTask::try_from).transpose()
}

async fn task_lock(connection: Connection<'_>, name: &TaskName) -> Result<(), Error> {
    match connection {
        // A transaction is the only writer from its beginning.
        Backend::Sqlite(_) => {}
        Backend::Postgres(connection) => {
            sqlx::query(postgres::TASK_LOCK).bind(name.as_str()).execute(connection).await?;
        }
    }
    Ok(())
}

async fn tasks_after(
    connection: Connection<'_>,
    after: &str,
    limit: u32,
    with_archived: bool,
) -> Result<Vec<TaskRow>, Error> {
    const TASKS_AFTER: &str =
        select_tasks!("WHERE name > $1 AND ($2 OR archived_at IS NULL) ORDER BY name LIMIT $3");
    Ok(on!(connection, |connection| {
        sqlx::query_as(TASKS_AFTER)
            .bind(after)
            .bind(with_archived)
            .bind(i64::from(limit))
            .fetch_all(connection)
            .await
    })?)
}

async fn settings_update(
    connection: Connection<'_>,
    name: &TaskName,
    settings: &TaskSettings,
) -> Result<(), Error> {
    const SETTINGS_UPDATE: &str = "UPDATE tasks SET policy = $2, saliency_proxy = $3 WHERE name = $1";
    on!(connection, |connection| {
        sqlx::query(SETTINGS_UPDATE)
            .bind(name.as_str())
            .bind(json(&settings.policy))
            .bind(settings.saliency_proxy.as_ref().map(json))
            .execute(connection)
            .await
            .map(drop)
    })?;
    Ok(())
}

async fn task_archive(connection: Connection<'_>, name: &TaskName, now: i64) -> Result<(), Error> {
    const TASK_ARCHIVE: &str = "UPDATE tasks SET archived_at = $2 WHERE name = $1 AND archived_at IS NULL";
    on!(connection, |connection| {
        sqlx::query(TASK_ARCHIVE).bind(name.as_str()).bind(now).execute(connection).await.map(drop)
    })?;
    Ok(())
}

row! {
    struct TaskRow {
        task_id: i64,
        name: String,
        space: String,
        dataset: String,
        metric: String,
        goal: String,
        unit: String,
        valid_min: f64,
        valid_max: f64,
        budgets: String,
        holdout_salt: String,
        holdout_share: f64,
        policy: String,
        saliency_proxy: Option<String>,
        created_at: i64,
        archived_at: Option<i64>,
        last_sequence: i64,
        promotion_paused_at: Option<i64>,
        space_definition: Option<String>,
    }
}

impl TryFrom<TaskRow> for KnownTask {
    type Error = Error;

    fn try_from(row: TaskRow) -> Result<Self, Error> {
        let what = format!("task {}", row.name);
        row.known().map_err(|source| Error::corrupt(what, source))
    }
}

impl TaskRow {
    fn known(self) -> Result<KnownTask, Cause> {
        let task = Task {
            name: TaskName::new(&self.name)?,
            space: resolved(&self.space, self.space_definition.as_deref())?,
            dataset: self.dataset,
            metric: self.metric,
            goal: goal(&self.goal)?,
            unit: unit(&self.unit)?,
            valid_range: RangeInclusive::new(self.valid_min, self.valid_max),
            budgets: serde_json::from_str::<Vec<Budget>>(&self.budgets)?,
            holdout: Holdout::new(self.holdout_salt, self.holdout_share)?,
        };
        let task = StoredTask {
            task,
            policy: serde_json::from_str(&self.policy)?,
            saliency_proxy: self.saliency_proxy.map(|proxy| serde_json::from_str(&proxy)).transpose()?,
            created_at: Timestamp { unix_micros: self.created_at },
            archived_at: self.archived_at.map(|unix_micros| Timestamp { unix_micros }),
            last_sequence: Sequence(self.last_sequence),
            promotion_paused_at: self.promotion_paused_at.map(|unix_micros| Timestamp { unix_micros }),
        };
        Ok(KnownTask { id: self.task_id, task })
    }
}

pub(in crate::store) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what is stored as JSON has names for keys")
}

fn goal_text(goal: Goal) -> &'static str {
    match goal {
        Goal::Maximize => "maximize",
        Goal::Minimize => "minimize",
    }
}

fn goal(text: &str) -> Result<Goal, String> {
    match text {
        "maximize" => Ok(Goal::Maximize),
        "minimize" => Ok(Goal::Minimize),
        _ => Err(format!("{text:?} is no goal")),
    }
}

fn unit_text(unit: Unit) -> &'static str {
    match unit {
        Unit::Percent => "percent",
        Unit::Fraction => "fraction",
        Unit::None => "none",
    }
}

fn unit(text: &str) -> Result<Unit, String> {
    match text {
        "percent" => Ok(Unit::Percent),
        "fraction" => Ok(Unit::Fraction),
        "none" => Ok(Unit::None),
        _ => Err(format!("{text:?} is no unit")),
    }
}
