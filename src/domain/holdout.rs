//! Which architectures are kept back from training, so that models are judged on what they have
//! not seen.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::space::CanonicalId;

/// The split rule of a task. The same for every model ever trained for it, hence immutable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields")]
pub struct Holdout {
    salt: String,
    share: f64,
}

/// A split that keeps back everything, or less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("holdout share {0} is not at least 0 and below 1")]
pub struct HoldoutError(f64);

#[derive(Deserialize)]
struct Fields {
    salt: String,
    share: f64,
}

impl TryFrom<Fields> for Holdout {
    type Error = HoldoutError;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        Self::new(fields.salt, fields.share)
    }
}

impl Holdout {
    /// Keeps back `share` of the classes of architectures, chosen by `salt`.
    ///
    /// # Errors
    /// When the share is not at least 0 and below 1.
    pub fn new(salt: impl Into<String>, share: f64) -> Result<Self, HoldoutError> {
        if (0.0..1.0).contains(&share) {
            Ok(Self { salt: salt.into(), share })
        } else {
            Err(HoldoutError(share))
        }
    }

    /// Whether the class of architectures `id` is kept back. All its members share one fate.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn contains(&self, id: &CanonicalId) -> bool {
        let digest =
            Sha256::new().chain_update(&self.salt).chain_update([0]).chain_update(id.as_str()).finalize();
        let head: [u8; 8] = digest[..8].try_into().expect("a SHA-256 digest has 32 bytes");
        // The top 53 bits: exactly representable, so the same on every machine.
        let position = (u64::from_be_bytes(head) >> 11) as f64 / (1_u64 << 53) as f64;
        position < self.share
    }

    /// The salt of the hash.
    #[must_use]
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// The share of classes kept back.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share
    }
}
