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

/// What is wrong with a candidate's saliencies, or missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// The model does not take them.
    #[error(transparent)]
    Input(#[from] InputError),
    /// None were sent, and none were measured.
    #[error(
        "the model needs zero-cost saliencies, {n_metrics} for each operation, and none were sent: {remedy}"
    )]
    NoSaliencies {
        /// How many the model needs.
        n_metrics: usize,
        /// What to do about it, and why they were not measured.
        remedy: String,
    },
    /// The model computes no number from them.
    #[error("the model has no finite score for them")]
    NotFinite,
}

/// Where the time of a call went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Before that, waiting for saliencies to be measured; zero where none had to be.
    pub saliencies: Duration,
    /// From being queued to the first batch with one of its candidates.
    pub queue: Duration,
    /// How long the model worked on the batches with its candidates.
    pub compute: Duration,
}
