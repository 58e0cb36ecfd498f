//! The paper's protocol: grids of trials, each of which trains one encoder on the first rows of a table and ranks its
//! test rows; their tables and plots.
//!
//! This room knows nothing of databases, queues or the wire. Whoever calls it says which table a grid runs on and where
//! its journal is.

mod boosting;
mod grid;
mod journal;
mod nasbowl;
mod plot;
mod results;
mod run;
mod surrogate;
mod table;
mod trial;

pub use grid::{Encoder, Grid, GridError, Method, Size};
pub use journal::{Journal, JournalError, Outcome, TargetOutcome};
pub use plot::{PlotError, plots};
pub use results::Results;
pub use run::{Progress, RowsError, RunError, Tables, run};
pub use surrogate::{Surrogate, SurrogateError};
pub use table::{csv, markdown};
pub use trial::{Trial, TrialError};
