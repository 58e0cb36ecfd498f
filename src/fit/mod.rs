//! Training: labelled architectures in, a checkpoint out. Tables, datasets, losses, the optimiser
//! loop, calibration, evaluation.
//!
//! This room knows nothing of databases, queues or the wire. Whoever calls it decides when to train
//! and what to do with the result.

mod adam;
mod average;
mod calibrate;
mod config;
mod dataset;
mod dropout;
mod error;
mod evaluation;
mod fitting;
mod loss;
mod member_trainer;
mod schedule;
mod state;
pub mod table;
mod trainer;

pub use adam::{Adam, Moments};
pub use calibrate::{REFERENCE_SIZE, ReferenceScores, calibration, fold_of};
pub use config::{FitConfig, FitConfigError, Loss, Optimizer, Pairs, Schedule};
pub use dataset::{Columns, Dataset, DatasetError, Example, Target};
pub use error::FitError;
pub use evaluation::{Evaluation, Judged, Precision, Reliability};
pub use fitting::{Observer, Plan, Run};
pub use loss::{Pair, mean_squared_error, pairs, pairwise_hinge, positions};
pub use state::StateError;
pub use trainer::{Epoch, Trainer, can_start_from};
