//! The states of all trainings of a fit in one piece, as a run keeps it.

use std::collections::BTreeMap;

use crate::fit::Run;

/// One after the other, each behind its length; first of all which is which, as JSON.
pub(in crate::retraining) fn write(states: &BTreeMap<Run, Vec<u8>>) -> Vec<u8> {
    let runs: Vec<&Run> = states.keys().collect();
    let runs = serde_json::to_vec(&runs).expect("runs are plain values");
    let mut bytes = Vec::new();
    for part in std::iter::once(&runs).chain(states.values()) {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part);
    }
    bytes
}

/// What was written, `None` where these bytes were not.
pub(in crate::retraining) fn read(mut bytes: &[u8]) -> Option<BTreeMap<Run, Vec<u8>>> {
    let mut part = || {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(part)
    };
    let runs: Vec<Run> = serde_json::from_slice(part()?).ok()?;
    runs.into_iter().map(|run| Some((run, part()?.to_vec()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_they_were_written_and_damaged_ones_not_at_all() {
        let states = BTreeMap::from([(Run::Full, vec![1, 2, 3]), (Run::WithoutFold(1), vec![])]);
        let bytes = write(&states);
        assert_eq!(read(&bytes), Some(states));
        for n_bytes in 0..bytes.len() {
            assert_eq!(read(&bytes[..n_bytes]), None, "{n_bytes} bytes");
        }
        assert_eq!(read(&write(&BTreeMap::new())), Some(BTreeMap::new()));
        assert_eq!(read(&[0xff; 64]), None);
    }
}
