//! Which classes of architectures a predictor has seen, small enough to travel with it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::space::CanonicalId;

/// A set of classes, kept as 64 bits of the hash of each canonical id: among ten thousand classes two
/// are mistaken for each other with a probability below 10^-11.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SeenClasses(BTreeSet<u64>);

/// A text that is no set of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seen classes are not groups of 16 hexadecimal digits")]
pub struct SeenClassesError;

/// Hexadecimal digits of a class.
const N_DIGITS: usize = 16;

impl SeenClasses {
    /// The set of `classes`.
    pub fn new<'a>(classes: impl IntoIterator<Item = &'a CanonicalId>) -> Self {
        Self(classes.into_iter().map(key).collect())
    }

    /// Whether `class` was seen.
    #[must_use]
    pub fn contains(&self, class: &CanonicalId) -> bool {
        self.0.contains(&key(class))
    }

    /// How many classes were seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn key(class: &CanonicalId) -> u64 {
    let digest = Sha256::digest(class.as_str());
    u64::from_be_bytes(std::array::from_fn(|i| digest[i]))
}

impl From<SeenClasses> for String {
    fn from(classes: SeenClasses) -> Self {
        classes.0.iter().flat_map(|key| format!("{key:016x}").into_bytes()).map(char::from).collect()
    }
}

impl TryFrom<String> for SeenClasses {
    type Error = SeenClassesError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digits = |group: &[u8]| u64::from_str_radix(str::from_utf8(group).ok()?, 16).ok();
        let (groups, rest) = text.as_bytes().as_chunks::<N_DIGITS>();
        let keys = groups.iter().map(|group| digits(group)).collect::<Option<_>>();
        keys.filter(|_| rest.is_empty()).map(Self).ok_or(SeenClassesError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space;

    #[test]
    fn a_set_survives_its_text_and_knows_its_members() {
        let class = |text| space::nasbench201().parse(text).expect("valid").canonical().id;
        let seen = class("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|");
        let other = class("|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|");
        let classes = SeenClasses::try_from(String::from(SeenClasses::new([&seen]))).expect("a set");
        assert!(classes.contains(&seen) && !classes.contains(&other));
        assert_eq!(classes.len(), 1);
        for text in ["12", "zzzzzzzzzzzzzzzz"] {
            assert_eq!(SeenClasses::try_from(text.to_owned()), Err(SeenClassesError));
        }
    }
}
