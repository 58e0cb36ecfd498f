//! Tasks, observations, predictions, training runs and model versions as valid values.
//!
//! This room knows nothing of tensors, storage or the wire; time is a parameter.

mod builtin;
mod candidate;
mod holdout;
mod observation;
mod policy;
mod prediction;
mod run;
mod saliency_proxy;
mod task;
mod time;
mod version;

pub use candidate::Candidate;
pub use holdout::{Holdout, HoldoutError};
pub use observation::{
    Measurement, Observation, ObservationError, ObservationFilter, ObservationKey, Recorded, Repeats,
    Retraction, Sequence, Source, StoredObservation,
};
pub use policy::{GateMargins, PolicyError, RetrainingPolicy};
pub use prediction::{ModelVersionId, Prediction, ScoreKind, StepPrediction};
pub use run::{Lease, ObservationCounts, Progress, RunError, RunId, RunState, TrainingRun};
pub use saliency_proxy::SaliencyProxy;
pub use task::{Budget, Goal, StoredTask, Task, TaskName, TaskNameError, TaskSettings, Unit};
pub use time::Timestamp;
pub use version::{ModelVersion, Origin, Promotion, PromotionId};
