//! Observations on the wire.

use crate::domain::{
    self, Budget, Measurement, ObservationError, ObservationKey, Recorded, Repeats, Source, Task,
};
use crate::pb::{self, WireError, time};

impl pb::Observation {
    /// The observation of `task`, which is the one this message names.
    ///
    /// # Errors
    /// Naming the field, seen from this message, that is missing or not what the task allows.
    pub fn decode(self, task: &Task) -> Result<domain::Observation, WireError> {
        let architecture = self.architecture.unwrap_or_default().decode(&task.space);
        let source = Source::new(&self.source).map_err(|error| WireError::new("source", error))?;
        let key = ObservationKey {
            task: task.name.clone(),
            architecture: architecture.map_err(|error| error.within("architecture"))?.architecture,
            budget: budget(self.budget, task)?,
            seed: self.seed,
            source,
        };
        let measurement = match self.outcome {
            Some(pb::observation::Outcome::Value(value)) => Measurement::Value(value),
            Some(pb::observation::Outcome::InfeasibleReason(reason)) => Measurement::Infeasible(reason),
            None => return Err(WireError::new("outcome", "neither value nor infeasible_reason is given")),
        };
        domain::Observation::new(task, key, measurement, self.repeats.map(Into::into))
            .map_err(|error| WireError::new(field(&error), error))
    }
}

fn budget(epochs: Option<u32>, task: &Task) -> Result<Budget, WireError> {
    match (epochs, task.budgets.as_slice()) {
        (Some(epochs), _) => Ok(Budget(epochs)),
        (None, [only]) => Ok(*only),
        (None, several) => {
            let several: Vec<_> = several.iter().map(Budget::to_string).collect();
            let reason = format!("is not given, and task {} has {}", task.name, several.join(", "));
            Err(WireError::new("budget", reason))
        }
    }
}

/// Where in the message the error is.
fn field(error: &ObservationError) -> &'static str {
    match error {
        ObservationError::OtherSpace { .. } => "architecture",
        ObservationError::Budget { .. } => "budget",
        ObservationError::OutOfRange { .. } => "value",
        ObservationError::Reason { .. } => "infeasible_reason",
        ObservationError::Source { .. } => "source",
        ObservationError::Repeats => "repeats.n",
        ObservationError::StandardDeviation => "repeats.standard_deviation",
    }
}

impl From<pb::Repeats> for Repeats {
    fn from(repeats: pb::Repeats) -> Self {
        Self { n: repeats.n, standard_deviation: repeats.standard_deviation }
    }
}

impl From<Repeats> for pb::Repeats {
    fn from(repeats: Repeats) -> Self {
        Self { n: repeats.n, standard_deviation: repeats.standard_deviation }
    }
}

impl From<&domain::Observation> for pb::Observation {
    fn from(observation: &domain::Observation) -> Self {
        let key = observation.key();
        Self {
            task: key.task.to_string(),
            architecture: Some(pb::Architecture::from_text(key.architecture.text())),
            budget: Some(key.budget.0),
            seed: key.seed,
            source: key.source.as_str().to_owned(),
            repeats: observation.repeats().map(Into::into),
            outcome: Some(match observation.measurement() {
                Measurement::Value(value) => pb::observation::Outcome::Value(*value),
                Measurement::Infeasible(reason) => pb::observation::Outcome::InfeasibleReason(reason.clone()),
            }),
        }
    }
}

impl From<&domain::StoredObservation> for pb::StoredObservation {
    fn from(stored: &domain::StoredObservation) -> Self {
        Self {
            sequence: stored.sequence.0,
            observation: Some((&stored.observation).into()),
            canonical_id: stored.class.to_string(),
            recorded_at: Some(time::encode(stored.recorded_at)),
            retracted_by: stored.retracted_by.map(|retraction| retraction.0),
        }
    }
}

impl From<Measurement> for pb::Measurement {
    fn from(measurement: Measurement) -> Self {
        Self {
            outcome: Some(match measurement {
                Measurement::Value(value) => pb::measurement::Outcome::Value(value),
                Measurement::Infeasible(reason) => pb::measurement::Outcome::InfeasibleReason(reason),
            }),
        }
    }
}

impl pb::record_result::Outcome {
    /// What became of an observation that said `sent`.
    #[must_use]
    pub fn new(recorded: Recorded, sent: &Measurement) -> Self {
        match recorded {
            Recorded::New(sequence) => Self::NewSequence(sequence.0),
            Recorded::Same(sequence) => Self::SameSequence(sequence.0),
            Recorded::Conflict { sequence, stored } => Self::Conflict(pb::ObservationConflict {
                sequence: sequence.0,
                message: if stored == *sent {
                    format!("observation {sequence} says {stored} too, of other repeats: it stays as it is")
                } else {
                    format!("observation {sequence} says {stored}, this one {sent}: the stored one stays")
                },
                stored: Some(stored.into()),
                sent: Some(sent.clone().into()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{Sequence, StoredObservation, Timestamp};

    use super::*;
    use crate::space;

    fn task() -> Task {
        Task::nasbench201_cifar10()
    }

    fn message() -> pb::Observation {
        let architecture = space::nasbench201().sample(1, 5).remove(0);
        pb::Observation {
            task: task().name.to_string(),
            architecture: Some(pb::Architecture::from_text(architecture.text())),
            budget: Some(200),
            seed: -7,
            source: "cluster a".into(),
            repeats: Some(pb::Repeats { n: 3, standard_deviation: Some(0.25) }),
            outcome: Some(pb::observation::Outcome::Value(93.5)),
        }
    }

    #[test]
    fn an_observation_survives_the_wire() {
        let infeasible = pb::observation::Outcome::InfeasibleReason("out of memory".into());
        let infeasible = pb::Observation { outcome: Some(infeasible), repeats: None, ..message() };
        for message in [message(), infeasible] {
            let observation = message.clone().decode(&task()).expect("an observation");
            assert_eq!(pb::Observation::from(&observation), message);
            let stored = StoredObservation {
                sequence: Sequence(4),
                class: observation.key().architecture.canonical().id,
                observation,
                recorded_at: Timestamp { unix_micros: 1_500_000 },
                retracted_by: Some(Sequence(9)),
            };
            let stored = pb::StoredObservation::from(&stored);
            assert_eq!((stored.sequence, stored.retracted_by), (4, Some(9)));
            assert_eq!(stored.recorded_at, Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }));
            assert_eq!(stored.observation, Some(message));
        }
    }

    #[test]
    fn a_budget_may_be_left_out_where_there_is_only_one() {
        let one = Task { budgets: vec![Budget(200)], ..task() };
        let message = || pb::Observation { budget: None, ..message() };
        assert_eq!(message().decode(&one).expect("an observation").key().budget, Budget(200));
        let error = message().decode(&task()).expect_err("two budgets");
        assert_eq!(error.to_string(), "budget: is not given, and task nasbench201-cifar10 has 12, 200");
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let refused = |change: fn(&mut pb::Observation)| {
            let mut message = message();
            change(&mut message);
            message.decode(&task()).expect_err("a wrong field").field().to_owned()
        };
        let value = pb::observation::Outcome::Value;
        let reason = pb::observation::Outcome::InfeasibleReason;
        let refused_outcome = |outcome| {
            let message = pb::Observation { outcome, ..message() };
            message.decode(&task()).expect_err("a wrong outcome")
        };
        assert_eq!(refused(|message| message.architecture = None), "architecture.notation");
        assert_eq!(
            refused(|message| message.architecture = Some(pb::Architecture::from_text("|"))),
            "architecture.text"
        );
        assert_eq!(refused(|message| message.budget = Some(13)), "budget");
        assert_eq!(refused(|message| message.source = "x".repeat(129)), "source");
        assert_eq!(refused(|message| message.repeats = Some(pb::Repeats::default())), "repeats.n");
        assert_eq!(
            refused(|message| {
                message.repeats = Some(pb::Repeats { n: 1, standard_deviation: Some(f64::NAN) });
            }),
            "repeats.standard_deviation"
        );
        assert_eq!(refused_outcome(None).field(), "outcome");
        assert_eq!(refused_outcome(Some(reason(String::new()))).field(), "infeasible_reason");
        for wrong in [f64::NAN, f64::INFINITY, 100.5, -1.0, 0.93] {
            assert_eq!(refused_outcome(Some(value(wrong))).field(), "value");
        }
        let fraction = refused_outcome(Some(value(0.93)));
        assert!(fraction.reason().ends_with("is this a fraction, not a percent?"), "{fraction}");
    }

    #[test]
    fn a_conflict_names_both_measurements() {
        let recorded = Recorded::Conflict { sequence: Sequence(5), stored: Measurement::Value(93.5) };
        let outcome = pb::record_result::Outcome::new(recorded, &Measurement::Infeasible("no memory".into()));
        let pb::record_result::Outcome::Conflict(conflict) = outcome else { panic!("a conflict") };
        assert_eq!(conflict.sequence, 5);
        assert_eq!(
            conflict.message,
            "observation 5 says value 93.5, this one infeasible (no memory): the stored one stays"
        );
        assert_eq!(conflict.stored, Some(Measurement::Value(93.5).into()));
    }
}
