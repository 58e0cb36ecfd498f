//! Which version of a task is champion, and how that changed. The history is only added to.

use crate::domain::{ModelVersionId, Promotion, PromotionId, StoredTask, TaskName};
use crate::store::{Error, Store};

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
        unimplemented!("{task} {expected:?} {to} {who} {why}")
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
        unimplemented!("{task} {expected} {who} {why}")
    }

    /// Lets runs promote versions of the task again. `None` where there is no such task.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn promotion_resume(&self, task: &TaskName) -> Result<Option<StoredTask>, Error> {
        unimplemented!("{task}")
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
        unimplemented!("{task} {after:?} {limit}")
    }
}
