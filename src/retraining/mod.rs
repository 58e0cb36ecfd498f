//! From observations to a better champion: whether a training run is due, what it is trained on, and
//! whether what it made may be promoted. These decisions are pure functions; [`Driver`] acts on them.
//!
//! This room knows nothing of how versions are served or asked for. All that counts is in the store: a
//! driver that dies is replaced by another one, which goes on from the state of the run.

mod config;
mod dataset;
mod driver;
mod due;
mod fitting;
mod gate;
mod judge;
mod resume;
mod saliencies;
mod watch;

pub use config::{Config, OfSpace, Training};
pub use dataset::{Datasets, datasets};
pub use driver::{Driver, Timing};
pub use due::{Due, Facts, PastRun, Reason, Why, back_off, is_due};
pub use fitting::{Configured, Fit, Takes, fit_with};
pub use gate::{Contender, Decision, Figures, Judgement, Keep, Known, Promote, Tau, Verdict, decide};
pub use judge::{Champion, Drift, JudgeError, Report, TargetReport, described, drift, judge};
pub use saliencies::{Measuring, SaliencyError};
pub use watch::{Stop, Watch};
