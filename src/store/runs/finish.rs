//! How a run ends well.

use serde_json::Value;

use crate::domain::{Lease, ModelVersionId, Origin, RunState};
use crate::store::champions::{self, Change, champion_by_task};
use crate::store::model_versions::{Checkpoint, Provenance};
use crate::store::runs::{KnownRun, run_by_id};
use crate::store::tasks::KnownTask;
use crate::store::{Error, Store};

/// A checkpoint that becomes a version, whose id is [`ModelVersionId::of_digest`] of its SHA-256.
#[derive(Clone, Debug, PartialEq)]
pub struct NewVersion {
    /// The file.
    pub checkpoint: Vec<u8>,
    /// What it showed.
    pub report: Option<Value>,
    /// Whether it is promoted and why.
    pub decision: Option<Value>,
}

/// That a version is to become champion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promote {
    /// In place of this one, which it was compared with.
    pub expected: Option<ModelVersionId>,
    /// For people.
    pub why: String,
}

/// What became of a run that was to be finished. Unless it is finished nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It succeeded with this version, now or by the same call before.
    Finished(ModelVersionId),
    /// Another champion is there than the one expected: decide again.
    ChampionChanged(Option<ModelVersionId>),
    /// Nothing is promoted but by hand since a rollback: decide again.
    PromotionPaused,
    /// It is to stop: give it back with [`Store::run_release`].
    CancelRequested,
    /// The lease is somebody else's or the run is over: stop.
    Lost,
}

impl Store {
    /// Ends a run with the version it made, and with that version's promotion where it is to be promoted:
    /// all of it or nothing. The version was trained up to the run's number. A checkpoint that is a version
    /// of the task already stays the version it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn run_finish(
        &self,
        lease: &Lease,
        version: &NewVersion,
        promote: Option<&Promote>,
    ) -> Result<Finish, Error> {
        let mut tx = self.begin().await?;
        let Some(found) = run_by_id(tx.connection(), lease.run).await? else { return Ok(Finish::Lost) };
        let task = KnownTask::lock(&mut tx, &found.run.task).await?;
        let Some(known) = KnownRun::lock(&mut tx, lease.run).await? else { return Ok(Finish::Lost) };
        let checkpoint = Checkpoint::new(&version.checkpoint);
        if !known.is_held(lease) {
            let is_done =
                known.run.state == RunState::Succeeded && known.run.version.as_ref() == Some(&checkpoint.id);
            return Ok(if is_done { Finish::Finished(checkpoint.id) } else { Finish::Lost });
        }
        if known.run.is_cancel_requested {
            return Ok(Finish::CancelRequested);
        }
        let champion = champion_by_task(tx.connection(), &task).await?;
        if let Some(promote) = promote {
            if champion != promote.expected {
                return Ok(Finish::ChampionChanged(champion));
            }
            if task.task.promotion_paused_at.is_some() {
                return Ok(Finish::PromotionPaused);
            }
        }

        let now = tx.connection().now().await?;
        let provenance =
            Provenance { origin: Origin::Trained, run: Some(lease.run), trained_up_to: known.run.up_to };
        checkpoint.insert(&mut tx, &task, version, provenance, now).await?;
        if let Some(promote) = promote
            && champion.as_ref() != Some(&checkpoint.id)
        {
            let who = format!("run {}", lease.run);
            let change = Change {
                from: champion.as_ref(),
                to: &checkpoint.id,
                who: &who,
                why: &promote.why,
                rolls_back: None,
            };
            champions::change(&mut tx, &task, &change, now).await?;
        }
        if !known.end(&mut tx, RunState::Succeeded, Some(&checkpoint.id), now).await? {
            tx.rollback().await?;
            return Ok(Finish::Lost);
        }
        self.commit_and_tell(tx).await?;
        Ok(Finish::Finished(checkpoint.id))
    }
}
