//! Why a predictor cannot be trained.

use crate::fit::state::StateError;
use crate::fit::trainer::MAX_WEIGHT_BYTES;
use crate::model::{CheckpointError, ConfigError, InputError};

/// Why a predictor cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// More targets than the encoder has time steps.
    #[error("{n_targets} targets need as many time steps, the model has {n_steps}")]
    TooManyTargets {
        /// Columns of labels.
        n_targets: usize,
        /// The model's T.
        n_steps: usize,
    },
    /// A model that does not fit the space.
    #[error("model.{0}")]
    Config(ConfigError),
    /// An example the model does not take.
    #[error("example {index}")]
    Input {
        /// Position in the dataset.
        index: usize,
        /// What is wrong with it.
        source: InputError,
    },
    /// Nothing to learn from.
    #[error("{n_examples} examples are too few to train on")]
    TooFew {
        /// How many there are.
        n_examples: usize,
    },
    /// A loss that only accuracies can have.
    #[error("the mean squared error needs labels in percent or as fractions")]
    NoFractions,
    /// A target whose labels are all missing or the same.
    #[error("{column} has no two different labels to learn from")]
    NothingToLearn {
        /// The column.
        column: String,
    },
    /// Weights that no checkpoint holds.
    #[error(
        "a checkpoint holds {MAX_WEIGHT_BYTES} bytes, which is less than {n_members} (n_members) times the {size_bytes} \
         of one network (model)"
    )]
    TooLarge {
        /// How many networks are to be trained.
        n_members: usize,
        /// Size of one.
        size_bytes: usize,
    },
    /// No batch of an epoch holds a pair of different labels.
    #[error("no step of epoch {epoch} had anything to learn from")]
    NoLoss {
        /// From 1.
        epoch: usize,
    },
    /// The loss is no number any more.
    #[error("the loss of epoch {epoch} is not finite")]
    Diverged {
        /// From 1.
        epoch: usize,
    },
    /// A stored state that does not fit.
    #[error("could not resume")]
    State(#[from] StateError),
    /// The result is no checkpoint.
    #[error("could not make a checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// Labels that do not rise with the scores.
    #[error("labels do not rise with out-of-fold scores: there are too few, or they cannot be predicted")]
    NoCalibration,
    /// Calibration of a model whose scores need saliencies.
    #[error("a model that takes saliencies cannot be calibrated: a sample of the space comes without them")]
    NoReference,
    /// Architectures that cannot be scored.
    #[error("could not score")]
    Score(#[from] crate::model::Error),
    /// Weights to start from that are of another model.
    #[error(
        "the checkpoint to start from is of another model: space, architecture, members or budgets differ"
    )]
    OtherModel,
    /// A state that cannot be stored or read back.
    #[error("could not keep the state of the run")]
    Store(#[from] std::io::Error),
    /// A tensor operation failed.
    #[error("could not compute")]
    Tensor(#[from] candle_core::Error),
}

impl From<ConfigError> for FitError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
