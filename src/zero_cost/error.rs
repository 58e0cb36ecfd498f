//! What can go wrong.

use crate::space::SaliencyError;
use crate::zero_cost::ImagesError;

/// Why an architecture has no saliencies.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A space of the user's own, whose cells no code stacks.
    #[error("search space {space} names no network that its cells are stacked into, so it has no saliencies")]
    NoNetwork {
        /// Its name.
        space: String,
    },
    /// A name that is no proxy's.
    #[error("there is no proxy {name:?}, only {known}")]
    UnknownProxy {
        /// What was asked for.
        name: String,
        /// All there are.
        known: String,
    },
    /// A folder that gives no images.
    #[error(transparent)]
    Images(#[from] ImagesError),
    /// A saliency that is no number, or too large for one of 32 bits even as a logarithm.
    #[error("saliencies are no numbers")]
    NoNumber(#[from] SaliencyError),
    /// A tensor operation failed.
    #[error("could not compute")]
    Tensor(#[from] candle_core::Error),
}
