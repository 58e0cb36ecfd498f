//! What a model is asked about.

use crate::space::{Architecture, Saliencies};

/// An architecture to be scored, with all a client sent about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The network.
    pub architecture: Architecture,
    /// Its zero-cost saliencies, for models that use them.
    pub saliencies: Option<Saliencies>,
}

impl From<Architecture> for Candidate {
    fn from(architecture: Architecture) -> Self {
        Self { architecture, saliencies: None }
    }
}
