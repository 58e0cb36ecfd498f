//! Tasks, predictions and model versions as valid values.
//!
//! This room knows nothing of tensors, storage or the wire; time is a parameter.

mod builtin;
mod candidate;
mod holdout;
mod prediction;
mod task;

pub use candidate::Candidate;
pub use holdout::{Holdout, HoldoutError};
pub use prediction::{ModelVersionId, Prediction, ScoreKind, StepPrediction};
pub use task::{Budget, Goal, Task, TaskName, TaskNameError, Unit};
