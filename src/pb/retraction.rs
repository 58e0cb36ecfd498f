//! Filters and retractions on the wire.

use crate::domain::{self, Recorded, Sequence, Source};
use crate::pb::{self, WireError, time};

/// Numbers in a filter at most.
const MAX_SEQUENCES: usize = 4_096;

/// Longest reason of a retraction or promotion.
const MAX_REASON_BYTES: usize = 1_024;

impl pb::ObservationFilter {
    /// The observations that are meant.
    ///
    /// # Errors
    /// Naming the field, seen from this message, that is not what it should be.
    pub fn decode(self) -> Result<domain::ObservationFilter, WireError> {
        if self.sequences.len() > MAX_SEQUENCES {
            let reason = format!("{} are more than the {MAX_SEQUENCES} of one call", self.sequences.len());
            return Err(WireError::new("sequences", reason));
        }
        let source = self.source.map(|name| Source::new(&name)).transpose();
        let moment = |field, message: Option<prost_types::Timestamp>| {
            message.map(|message| time::decode(field, &message)).transpose()
        };
        Ok(domain::ObservationFilter {
            sequences: self.sequences.into_iter().map(Sequence).collect(),
            source: source.map_err(|error| WireError::new("source", error))?,
            recorded_from: moment("recorded_from", self.recorded_from)?,
            recorded_before: moment("recorded_before", self.recorded_before)?,
        })
    }
}

impl pb::RetractObservationsRequest {
    /// Which observations shall be taken back, and why. The task is left to who calls.
    ///
    /// # Errors
    /// Naming the field that is not what it should be; a filter without any condition is none, so that
    /// nobody takes everything back by leaving it out.
    pub fn decode(self) -> Result<(domain::ObservationFilter, String), WireError> {
        let filter = self.filter.unwrap_or_default().decode().map_err(|error| error.within("filter"))?;
        if filter == domain::ObservationFilter::default() {
            return Err(WireError::new("filter", "has no condition, at least one is needed"));
        }
        Ok((filter, reason("reason", self.reason)?))
    }
}

/// What is said for people in the field of that name.
pub(in crate::pb) fn reason(field: &str, text: String) -> Result<String, WireError> {
    if (1..=MAX_REASON_BYTES).contains(&text.len()) && !text.contains('\0') {
        return Ok(text);
    }
    Err(WireError::new(field, format!("has not 1 to {MAX_REASON_BYTES} bytes without NUL")))
}

impl From<&domain::Retraction> for pb::Retraction {
    fn from(retraction: &domain::Retraction) -> Self {
        Self {
            sequence: retraction.sequence.0,
            task: retraction.task.to_string(),
            reason: retraction.reason.clone(),
            n_observations: retraction.n_observations,
            retracted_at: Some(time::encode(retraction.retracted_at)),
            undone_at: retraction.undone_at.map(time::encode),
        }
    }
}

impl pb::UndoRetractionResponse {
    /// Counts what became of the observations of `retraction`, by their old numbers, and tells of the
    /// first `max_conflicts` conflicts.
    #[must_use]
    pub fn new(
        retraction: &domain::Retraction,
        recorded: Vec<(Sequence, Recorded)>,
        max_conflicts: usize,
    ) -> Self {
        let mut response = Self { retraction: Some(retraction.into()), ..Self::default() };
        for (retracted, recorded) in recorded {
            match recorded {
                Recorded::New(_) => response.n_new += 1,
                Recorded::Same(_) => response.n_same += 1,
                Recorded::Conflict { sequence, stored } => {
                    response.n_conflicts += 1;
                    if response.conflicts.len() < max_conflicts {
                        response.conflicts.push(pb::UndoConflict {
                            retracted_sequence: retracted.0,
                            stored_sequence: sequence.0,
                            message: format!(
                                "observation {sequence} says {stored} in the place of {retracted}: it stays"
                            ),
                            stored: Some(stored.into()),
                        });
                    }
                }
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use domain::{Measurement, TaskName, Timestamp};

    use super::*;

    #[test]
    fn a_filter_keeps_its_conditions_and_the_empty_source_is_one() {
        let at = prost_types::Timestamp { seconds: 2, nanos: 5_000 };
        let message = pb::ObservationFilter {
            sequences: vec![1, 9],
            source: Some(String::new()),
            recorded_from: Some(at),
            recorded_before: None,
        };
        let filter = domain::ObservationFilter {
            sequences: vec![Sequence(1), Sequence(9)],
            source: Some(Source::default()),
            recorded_from: Some(Timestamp { unix_micros: 2_000_005 }),
            recorded_before: None,
        };
        assert_eq!(message.decode(), Ok(filter));
    }

    #[test]
    fn a_retraction_needs_a_condition_and_a_reason() {
        let request = |filter, reason: &str| pb::RetractObservationsRequest {
            task: "t".into(),
            filter,
            reason: reason.to_owned(),
        };
        let filter = |seconds| {
            let recorded_before = Some(prost_types::Timestamp { seconds, nanos: 0 });
            Some(pb::ObservationFilter { recorded_before, ..Default::default() })
        };
        for (request, field) in [
            (request(None, "wrong"), "filter"),
            (request(Some(pb::ObservationFilter::default()), "wrong"), "filter"),
            (request(filter(i64::MAX), "wrong"), "filter.recorded_before.seconds"),
            (request(filter(1), ""), "reason"),
            (request(filter(1), &"x".repeat(1_025)), "reason"),
        ] {
            assert_eq!(request.decode().expect_err("a wrong field").field(), field);
        }
        assert_eq!(request(filter(1), "wrong").decode().expect("a retraction").1, "wrong");
        let many = pb::ObservationFilter { sequences: vec![1; 4_097], ..Default::default() };
        assert_eq!(request(Some(many), "wrong").decode().expect_err("many").field(), "filter.sequences");
    }

    #[test]
    fn an_undone_retraction_counts_all_and_lists_the_first_conflicts() {
        let retraction = domain::Retraction {
            sequence: Sequence(8),
            task: TaskName::new("t").expect("a name"),
            reason: "wrong".into(),
            n_observations: 4,
            retracted_at: Timestamp { unix_micros: 0 },
            undone_at: Some(Timestamp { unix_micros: 1 }),
        };
        let conflict = || Recorded::Conflict { sequence: Sequence(9), stored: Measurement::Value(1.5) };
        let recorded = vec![
            (Sequence(1), Recorded::New(Sequence(10))),
            (Sequence(2), Recorded::Same(Sequence(7))),
            (Sequence(3), conflict()),
            (Sequence(4), conflict()),
        ];
        let response = pb::UndoRetractionResponse::new(&retraction, recorded, 1);
        assert_eq!((response.n_new, response.n_same, response.n_conflicts), (1, 1, 2));
        assert_eq!(response.conflicts.len(), 1);
        assert_eq!(response.conflicts[0].message, "observation 9 says value 1.5 in the place of 3: it stays");
    }
}
