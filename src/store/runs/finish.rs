//! How a run ends well.

use serde_json::Value;

use crate::domain::{Lease, ModelVersionId};
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
        unimplemented!("{lease:?} {version:?} {promote:?}")
    }
}
