//! Model versions, and how one of them became champion.

use std::fmt;

use crate::domain::{ModelVersionId, RunId, Sequence, TaskName, Timestamp};

/// Where a version comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// From the binary.
    Shipped,
    /// From a training run of this service.
    Trained,
    /// From a file somebody sent.
    Imported,
}

/// A checkpoint of a task, without its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelVersion {
    /// Its name in the task.
    pub id: ModelVersionId,
    /// The task.
    pub task: TaskName,
    /// Where it comes from.
    pub origin: Origin,
    /// The run that made it.
    pub run: Option<RunId>,
    /// It was trained on the task's observations up to this number; `None` where nobody knows.
    pub trained_up_to: Option<Sequence>,
    /// What it showed, as whoever made it wrote it down.
    pub report: Option<serde_json::Value>,
    /// Whether it was promoted and why, as the gate wrote it down.
    pub decision: Option<serde_json::Value>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Whether it is the task's champion.
    pub is_champion: bool,
    /// Whether its checkpoint is still there; those of old versions that never were champion are dropped.
    pub is_kept: bool,
}

/// Names a promotion among those of all tasks. Later ones have larger numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromotionId(pub i64);

impl fmt::Display for PromotionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A change of a task's champion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// Its number.
    pub id: PromotionId,
    /// The task.
    pub task: TaskName,
    /// The champion before; `None` for the first.
    pub from: Option<ModelVersionId>,
    /// The champion since.
    pub to: ModelVersionId,
    /// Who changed it: a user, or the run, as `run 12`.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub promoted_at: Timestamp,
    /// The promotion that this one undid.
    pub rolls_back: Option<PromotionId>,
}
