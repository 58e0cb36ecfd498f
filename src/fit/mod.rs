//! Training: labelled architectures in, a checkpoint out. Tables, datasets, losses, the optimiser
//! loop, calibration, evaluation.
//!
//! This room knows nothing of databases, queues or the wire. Whoever calls it decides when to train
//! and what to do with the result.

mod adam;
mod calibrate;
mod config;
mod dataset;
mod dropout;
mod evaluation;
mod loss;
mod schedule;
mod state;
pub mod table;
mod trainer;

pub use adam::Adam;
pub use calibrate::{FOLD_REFERENCE_SIZE, OutOfFold, calibrations};
pub use config::{FitConfig, FitConfigError, Loss, Optimizer, Pairs, Schedule};
pub use dataset::{Columns, Dataset, DatasetError, Example, Target};
pub use evaluation::{Evaluation, Reliability};
pub use loss::{Pair, mean_squared_error, pairs, pairwise_hinge};
pub use state::StateError;
pub use trainer::{Epoch, FitError, Trainer};
