//! Which version of a task is champion, and how that changed. The history is only added to.

use crate::domain::{ModelVersionId, Promotion, PromotionId, StoredTask, TaskName, Timestamp};
use crate::store::backend::{Connection, Transaction, on, row};
use crate::store::model_versions::version_by_id;
use crate::store::tasks::{KnownTask, task_by_name};
use crate::store::{Error, Store};

/// A query of promotions: the columns of a [`PromotionRow`], and which.
macro_rules! select_promotions {
    ($which:literal) => {
        concat!(
            "SELECT promotion_id,
                    from_version,
                    to_version,
                    who,
                    why,
                    promoted_at,
                    rolls_back
             FROM promotions
             WHERE task_id = $1 AND ",
            $which
        )
    };
}

/// What became of a version that was to be promoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promoted {
    /// It is champion now.
    Now(Promotion),
    /// It was champion already.
    Already,
    /// Another champion is there than the one expected.
    ChampionIs(Option<ModelVersionId>),
    /// The task has no such version.
    UnknownVersion,
    /// The checkpoint of the version was dropped.
    NotKept,
}

/// What became of a champion that was to be rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolledBack {
    /// The champion before it is champion again, by this call or one before that expected the same.
    To(Promotion),
    /// Another champion is there than the one expected.
    ChampionIs(Option<ModelVersionId>),
    /// There was no champion before it.
    NoPrevious,
}

impl Store {
    /// Makes a version champion in place of the one expected, whether or not promotion is paused.
    ///
    /// # Errors
    /// When the task is unknown, or the database fails.
    pub async fn champion_promote(
        &self,
        task: &TaskName,
        expected: Option<&ModelVersionId>,
        to: &ModelVersionId,
        who: &str,
        why: &str,
    ) -> Result<Promoted, Error> {
        let mut tx = self.begin().await?;
        let known = KnownTask::lock(&mut tx, task).await?;
        let champion = champion_by_task(tx.connection(), &known).await?;
        if champion.as_ref() == Some(to) {
            return Ok(Promoted::Already);
        }
        if champion.as_ref() != expected {
            return Ok(Promoted::ChampionIs(champion));
        }
        match version_by_id(tx.connection(), task, to).await? {
            Some(version) if version.is_kept => {}
            Some(_) => return Ok(Promoted::NotKept),
            None => return Ok(Promoted::UnknownVersion),
        }
        let now = tx.connection().now().await?;
        let made = Change { from: champion.as_ref(), to, who, why, rolls_back: None };
        let promotion = change(&mut tx, &known, &made, now).await?;
        self.commit_and_tell(tx).await?;
        Ok(Promoted::Now(promotion))
    }

    /// Undoes the promotion of the expected champion: the one before is champion again, and automatic
    /// promotion is paused until [`Store::promotion_resume`]. Of what was undone before, the one before that.
    ///
    /// # Errors
    /// When the task is unknown, or the database fails.
    pub async fn champion_rollback(
        &self,
        task: &TaskName,
        expected: &ModelVersionId,
        who: &str,
        why: &str,
    ) -> Result<RolledBack, Error> {
        let mut tx = self.begin().await?;
        let known = KnownTask::lock(&mut tx, task).await?;
        let champion = champion_by_task(tx.connection(), &known).await?;
        if champion.as_ref() != Some(expected) {
            let last = promotion_last(tx.connection(), &known).await?;
            return Ok(match last {
                Some(last) if last.rolls_back.is_some() && last.from.as_ref() == Some(expected) => {
                    RolledBack::To(last)
                }
                _ => RolledBack::ChampionIs(champion),
            });
        }
        let Some(undone) = promotion_in_force(tx.connection(), &known).await? else {
            return Ok(RolledBack::NoPrevious);
        };
        if undone.to != *expected {
            let what = format!("history of the champions of task {task}");
            return Err(Error::corrupt(what, format!("it ends with {}, not {expected}", undone.to)));
        }
        let Some(before) = undone.from else { return Ok(RolledBack::NoPrevious) };
        let now = tx.connection().now().await?;
        let made = Change { from: Some(expected), to: &before, who, why, rolls_back: Some(undone.id) };
        let promotion = change(&mut tx, &known, &made, now).await?;
        promotion_pause(tx.connection(), &known, now).await?;
        self.commit_and_tell(tx).await?;
        Ok(RolledBack::To(promotion))
    }

    /// Lets runs promote versions of the task again. `None` where there is no such task.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn promotion_resume(&self, task: &TaskName) -> Result<Option<StoredTask>, Error> {
        let mut tx = self.begin().await?;
        promotion_resume(tx.connection(), task).await?;
        let resumed = task_by_name(tx.connection(), task).await?;
        self.commit_and_tell(tx).await?;
        Ok(resumed.map(|known| known.task))
    }

    /// Up to `limit` changes of a task's champion, the newest first: those older than `after`.
    ///
    /// # Errors
    /// When the task is unknown, or the database fails.
    pub async fn promotions_page(
        &self,
        task: &TaskName,
        after: Option<PromotionId>,
        limit: u32,
    ) -> Result<Vec<Promotion>, Error> {
        let mut reader = self.reader().await?;
        let known = KnownTask::find(reader.connection(), task).await?;
        let rows = promotions_before(reader.connection(), &known, after, limit).await?;
        Ok(rows.into_iter().map(|row| row.promotion(&known)).collect())
    }
}

/// A change of champion that is to be made.
pub(in crate::store) struct Change<'a> {
    /// The champion there is.
    pub from: Option<&'a ModelVersionId>,
    pub to: &'a ModelVersionId,
    pub who: &'a str,
    pub why: &'a str,
    pub rolls_back: Option<PromotionId>,
}

/// Changes the champion of a task that is locked.
pub(in crate::store) async fn change(
    tx: &mut Transaction,
    task: &KnownTask,
    made: &Change<'_>,
    now: i64,
) -> Result<Promotion, Error> {
    champion_clear(tx.connection(), task).await?;
    champion_set(tx.connection(), task, made.to).await?;
    let row = promotion_insert(tx.connection(), task, made, now).await?;
    Ok(row.promotion(task))
}

/// The champion of a task.
pub(in crate::store) async fn champion_by_task(
    connection: Connection<'_>,
    task: &KnownTask,
) -> Result<Option<ModelVersionId>, Error> {
    const CHAMPION_BY_TASK: &str = "SELECT version FROM model_versions WHERE task_id = $1 AND is_champion";
    let version: Option<String> = on!(connection, |connection| {
        sqlx::query_scalar(CHAMPION_BY_TASK).bind(task.id).fetch_optional(connection).await
    })?;
    Ok(version.map(ModelVersionId))
}

async fn champion_clear(connection: Connection<'_>, task: &KnownTask) -> Result<(), Error> {
    const CHAMPION_CLEAR: &str =
        "UPDATE model_versions SET is_champion = FALSE WHERE task_id = $1 AND is_champion";
    on!(connection, |connection| {
        sqlx::query(CHAMPION_CLEAR).bind(task.id).execute(connection).await.map(drop)
    })?;
    Ok(())
}

async fn champion_set(
    connection: Connection<'_>,
    task: &KnownTask,
    version: &ModelVersionId,
) -> Result<(), Error> {
    const CHAMPION_SET: &str =
        "UPDATE model_versions SET is_champion = TRUE WHERE task_id = $1 AND version = $2";
    on!(connection, |connection| {
        sqlx::query(CHAMPION_SET).bind(task.id).bind(&version.0).execute(connection).await.map(drop)
    })?;
    Ok(())
}

async fn promotion_insert(
    connection: Connection<'_>,
    task: &KnownTask,
    made: &Change<'_>,
    now: i64,
) -> Result<PromotionRow, Error> {
    const PROMOTION_INSERT: &str = "
        INSERT INTO promotions (task_id, from_version, to_version, who, why, promoted_at, rolls_back)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING promotion_id,
                  from_version,
                  to_version,
                  who,
                  why,
                  promoted_at,
                  rolls_back";
    Ok(on!(connection, |connection| {
        sqlx::query_as(PROMOTION_INSERT)
            .bind(task.id)
            .bind(made.from.map(|from| &from.0))
            .bind(&made.to.0)
            .bind(made.who)
            .bind(made.why)
            .bind(now)
            .bind(made.rolls_back.map(|undone| undone.0))
            .fetch_one(connection)
            .await
    })?)
}

/// The last change.
async fn promotion_last(connection: Connection<'_>, task: &KnownTask) -> Result<Option<Promotion>, Error> {
    Ok(promotions_before(connection, task, None, 1).await?.pop().map(|row| row.promotion(task)))
}

/// The last promotion that was not undone: the one by which the champion is champion.
async fn promotion_in_force(
    connection: Connection<'_>,
    task: &KnownTask,
) -> Result<Option<Promotion>, Error> {
    const PROMOTION_IN_FORCE: &str = select_promotions!(
        "rolls_back IS NULL
         AND NOT EXISTS (SELECT 1 FROM promotions AS undoing WHERE undoing.rolls_back = promotions.promotion_id)
         ORDER BY promotion_id DESC
         LIMIT 1"
    );
    let row: Option<PromotionRow> = on!(connection, |connection| {
        sqlx::query_as(PROMOTION_IN_FORCE).bind(task.id).fetch_optional(connection).await
    })?;
    Ok(row.map(|row| row.promotion(task)))
}

async fn promotions_before(
    connection: Connection<'_>,
    task: &KnownTask,
    before: Option<PromotionId>,
    limit: u32,
) -> Result<Vec<PromotionRow>, Error> {
    const PROMOTIONS_BEFORE: &str =
        select_promotions!("promotion_id < $2 ORDER BY promotion_id DESC LIMIT $3");
    Ok(on!(connection, |connection| {
        sqlx::query_as(PROMOTIONS_BEFORE)
            .bind(task.id)
            .bind(before.map_or(i64::MAX, |before| before.0))
            .bind(i64::from(limit))
            .fetch_all(connection)
            .await
    })?)
}

async fn promotion_pause(connection: Connection<'_>, task: &KnownTask, now: i64) -> Result<(), Error> {
    const PROMOTION_PAUSE: &str =
        "UPDATE tasks SET promotion_paused_at = COALESCE(promotion_paused_at, $2) WHERE task_id = $1";
    on!(connection, |connection| {
        sqlx::query(PROMOTION_PAUSE).bind(task.id).bind(now).execute(connection).await.map(drop)
    })?;
    Ok(())
}

async fn promotion_resume(connection: Connection<'_>, task: &TaskName) -> Result<(), Error> {
    const PROMOTION_RESUME: &str = "UPDATE tasks SET promotion_paused_at = NULL WHERE name = $1";
    on!(connection, |connection| {
        sqlx::query(PROMOTION_RESUME).bind(task.as_str()).execute(connection).await.map(drop)
    })?;
    Ok(())
}

row! {
    struct PromotionRow {
        promotion_id: i64,
        from_version: Option<String>,
        to_version: String,
        who: String,
        why: String,
        promoted_at: i64,
        rolls_back: Option<i64>,
    }
}

impl PromotionRow {
    fn promotion(self, task: &KnownTask) -> Promotion {
        Promotion {
            id: PromotionId(self.promotion_id),
            task: task.task.task.name.clone(),
            from: self.from_version.map(ModelVersionId),
            to: ModelVersionId(self.to_version),
            who: self.who,
            why: self.why,
            promoted_at: Timestamp { unix_micros: self.promoted_at },
            rolls_back: self.rolls_back.map(PromotionId),
        }
    }
}
