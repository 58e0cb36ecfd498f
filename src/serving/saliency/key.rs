//! What saliencies are known by.

use sha2::{Digest, Sha256};

use crate::space::{Architecture, SaliencyOrigin};

/// Names an architecture and how it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::serving) struct Key([u8; 32]);

impl Key {
    pub fn new(origin: &SaliencyOrigin, architecture: &Architecture) -> Self {
        let digest = Sha256::new()
            .chain_update(&origin.digest)
            .chain_update(origin.seed.to_le_bytes())
            .chain_update(&architecture.space().name)
            .chain_update([0])
            .chain_update(architecture.text())
            .finalize();
        Self(digest.into())
    }
}
