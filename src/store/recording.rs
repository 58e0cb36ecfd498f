//! What becomes of observations that are sent: pure, from what is stored of their keys.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::domain::{Budget, Measurement, Observation, Recorded, Repeats, Sequence, Source};
use crate::store::error::Cause;

/// What no two live observations of a task share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) struct NaturalKey {
    pub architecture_id: i64,
    pub budget: Budget,
    pub seed: i64,
    pub source: Source,
}

/// What is stored, or about to be, under a key.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) struct Kept {
    pub sequence: Sequence,
    pub measurement: Measurement,
    pub repeats: Option<Repeats>,
}

impl Kept {
    /// What becomes of a measurement of the same key.
    pub fn meets(&self, measurement: &Measurement, repeats: Option<Repeats>) -> Recorded {
        // Stored values come back bit for bit but for the sign of zero, which `==` does not see either. There
        // is no NaN among them.
        if self.measurement == *measurement && self.repeats == repeats {
            Recorded::Same(self.sequence)
        } else {
            Recorded::Conflict { sequence: self.sequence, stored: self.measurement.clone() }
        }
    }
}

/// What becomes of each observation, in order, where `live` is what is stored of their keys and `last` the
/// last number given. Of two with one key, the first counts as stored for the second.
pub(in crate::store) fn record<'a>(
    observations: impl Iterator<Item = (NaturalKey, &'a Observation)>,
    mut live: HashMap<NaturalKey, Kept>,
    last: Sequence,
) -> Vec<Recorded> {
    let mut next = last.0 + 1;
    observations
        .map(|(key, observation)| match live.entry(key) {
            Entry::Occupied(kept) => kept.get().meets(observation.measurement(), observation.repeats()),
            Entry::Vacant(free) => {
                let sequence = Sequence(next);
                next += 1;
                let measurement = observation.measurement().clone();
                free.insert(Kept { sequence, measurement, repeats: observation.repeats() });
                Recorded::New(sequence)
            }
        })
        .collect()
}

/// The last number given, these included.
pub(in crate::store) fn last_of<'a>(
    recorded: impl Iterator<Item = &'a Recorded>,
    before: Sequence,
) -> Sequence {
    let n_new = recorded.filter(|recorded| matches!(recorded, Recorded::New(_))).count();
    Sequence(before.0 + i64::try_from(n_new).expect("a batch fits in memory"))
}

/// The measurement of a row.
///
/// # Errors
/// When it is none or two, against the schema's constraint.
pub(in crate::store) fn measurement(
    value: Option<f64>,
    reason: Option<String>,
) -> Result<Measurement, Cause> {
    match (value, reason) {
        (Some(value), None) => Ok(Measurement::Value(value)),
        (None, Some(reason)) => Ok(Measurement::Infeasible(reason)),
        (None, None) => Err("neither a value nor a reason".into()),
        (Some(_), Some(_)) => Err("both a value and a reason".into()),
    }
}

/// The repeats of a row.
///
/// # Errors
/// When there are more than any observation has.
pub(in crate::store) fn repeats(
    n: Option<i64>,
    standard_deviation: Option<f64>,
) -> Result<Option<Repeats>, Cause> {
    n.map(|n| Ok(Repeats { n: n.try_into()?, standard_deviation })).transpose()
}
