//! How a task has saliencies measured that clients do not send.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The choice of a task that opted in: a proxy setting, by the name the server knows it under, and a seed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SaliencyProxy {
    /// The name, as `small`.
    pub name: String,
    /// Where weights, images and classes come from.
    #[serde(default)]
    pub seed: u32,
}

impl fmt::Display for SaliencyProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.80} with seed {}", self.name, self.seed)
    }
}
