//! Which architectures are kept back from training, so that models are judged on what they have
//! not seen.

use sha2::{Digest, Sha256};

use crate::space::CanonicalId;

/// The split rule of a task. The same for every model ever trained for it, hence immutable.
#[derive(Clone, Debug, PartialEq)]
pub struct Holdout {
    salt: String,
    share: f64,
}

/// A split that keeps back everything, or less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("holdout share {0} is not at least 0 and below 1")]
pub struct HoldoutError(f64);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Task;
    use crate::space::nasbench201;

    #[test]
    fn the_rule_never_changes() {
        let holdout = Task::nasbench201_cifar10().holdout;
        let kept_back: Vec<usize> = (nasbench201().sample(60, 0).iter().enumerate())
            .filter(|(_, architecture)| holdout.contains(&architecture.canonical().id))
            .map(|(index, _)| index)
            .collect();
        assert_eq!(kept_back, [3, 5, 7, 28, 52]);
    }

    #[test]
    fn a_share_of_the_classes_is_kept_back_and_another_by_another_salt() {
        let classes: Vec<CanonicalId> =
            nasbench201().sample(4_000, 0).iter().map(|architecture| architecture.canonical().id).collect();
        let kept_back = |salt: &str, share: f64| -> Vec<bool> {
            let holdout = Holdout::new(salt, share).expect("a share");
            classes.iter().map(|class| holdout.contains(class)).collect()
        };
        let n = |kept_back: &[bool]| kept_back.iter().filter(|kept_back| **kept_back).count();
        assert_eq!(n(&kept_back("a", 0.0)), 0);
        assert!((300..500).contains(&n(&kept_back("a", 0.1))), "{}", n(&kept_back("a", 0.1)));
        assert_ne!(kept_back("a", 0.1), kept_back("b", 0.1));
    }

    #[test]
    fn a_share_is_below_one() {
        for share in [-0.1, 1.0, f64::NAN] {
            assert!(Holdout::new("a", share).is_err());
        }
    }
}
