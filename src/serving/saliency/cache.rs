//! What was measured lately.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::space::{Architecture, Saliencies, SaliencyOrigin};

/// What saliencies are known by in memory.
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

/// A bounded memory in two halves: what is asked for moves to the newer one; once that is full, the older one is
/// forgotten and the newer one takes its place.
#[derive(Debug)]
pub(in crate::serving) struct Cache {
    newer: HashMap<Key, Arc<Saliencies>>,
    older: HashMap<Key, Arc<Saliencies>>,
    half: usize,
}

impl Cache {
    /// A memory for `capacity` architectures at most.
    pub fn new(capacity: usize) -> Self {
        Self { newer: HashMap::new(), older: HashMap::new(), half: capacity.div_ceil(2) }
    }

    pub fn get(&mut self, key: &Key) -> Option<Arc<Saliencies>> {
        if let Some(found) = self.newer.get(key) {
            return Some(found.clone());
        }
        let found = self.older.remove(key)?;
        self.insert(*key, found.clone());
        Some(found)
    }

    pub fn insert(&mut self, key: Key, saliencies: Arc<Saliencies>) {
        if self.newer.len() >= self.half {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(key, saliencies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key([number; 32])
    }

    fn saliencies(value: u8) -> Arc<Saliencies> {
        Arc::new(Saliencies::new(1, vec![f64::from(value)]).expect("finite"))
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten() {
        let mut cache = Cache::new(8);
        for number in 0..100 {
            cache.insert(key(number), saliencies(number));
            assert_eq!(cache.get(&key(0)), Some(saliencies(0)), "after {number}");
            assert!(cache.newer.len() + cache.older.len() <= 8);
        }
        assert_eq!(cache.get(&key(99)), Some(saliencies(99)));
        assert_eq!(cache.get(&key(50)), None);
    }
}
