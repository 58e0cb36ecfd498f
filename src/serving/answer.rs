//! What a caller gets.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Prediction;
use crate::model::InputError;
use crate::serving::Version;

/// The scores of one call, all of one model version.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Who made them.
    pub version: Arc<Version>,
    /// One for each candidate, in order.
    pub predictions: Vec<Result<Prediction, CandidateError>>,
    /// Where the time went.
    pub timings: Timings,
}

/// What is wrong with a candidate's saliencies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// The model does not take them.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The model computes no number from them.
    #[error("the model has no finite score for them")]
    NotFinite,
}

/// Where the time of a call went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From being queued to the first batch with one of its candidates.
    pub queue: Duration,
    /// How long the model worked on the batches with its candidates.
    pub compute: Duration,
}
