//! Tasks, observations, predictions and model versions as valid values.
//!
//! This room knows nothing of tensors, storage or the wire; time is a parameter.

mod builtin;
mod candidate;
mod holdout;
mod observation;
mod policy;
mod prediction;
mod task;
mod time;

pub use candidate::Candidate;
pub use holdout::{Holdout, HoldoutError};
pub use observation::{
    Measurement, Observation, ObservationError, ObservationFilter, ObservationKey, Recorded, Repeats,
    Retraction, Sequence, Source, StoredObservation,
};
pub use policy::{GateMargins, PolicyError, RetrainingPolicy};
pub use prediction::{ModelVersionId, Prediction, ScoreKind, StepPrediction};
pub use task::{Budget, Goal, StoredTask, Task, TaskName, TaskNameError, Unit};
pub use time::Timestamp;
