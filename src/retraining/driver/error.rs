//! Why an attempt at a run fails, and whether it is worth another.

use crate::fit::FitError;
use crate::retraining::judge::JudgeError;
use crate::retraining::saliencies::SaliencyError;
use crate::store;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("task is gone or archived")]
    NoTask,
    #[error("there is nothing to train on")]
    Saliencies(#[source] SaliencyError),
    #[error("could not train")]
    Fit(#[from] FitError),
    #[error("could not judge the new version")]
    Judge(#[from] JudgeError),
    #[error("training died, the log says why")]
    Died,
    #[error("could not start a thread")]
    Thread(#[from] std::io::Error),
}

impl From<SaliencyError> for Error {
    fn from(error: SaliencyError) -> Self {
        match error {
            SaliencyError::Store(error) => Self::Store(error),
            error => Self::Saliencies(error),
        }
    }
}

impl Error {
    /// Whether the same snapshot would fail again.
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::NoTask => true,
            Self::Saliencies(error) => error.is_lasting(),
            Self::Fit(error) => match error {
                FitError::Config(_)
                | FitError::TooManyTargets { .. }
                | FitError::Input { .. }
                | FitError::TooFew { .. }
                | FitError::NoFractions
                | FitError::NothingToLearn { .. }
                | FitError::TooLarge { .. }
                | FitError::NoLoss { .. }
                | FitError::NoCalibration
                | FitError::OtherModel
                | FitError::Diverged { .. }
                | FitError::NoReference => true,
                FitError::State(_)
                | FitError::Checkpoint(_)
                | FitError::Score(_)
                | FitError::Store(_)
                | FitError::Tensor(_) => false,
            },
            Self::Store(_) | Self::Judge(_) | Self::Died | Self::Thread(_) => false,
        }
    }
}
