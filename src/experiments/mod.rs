//! The paper's protocol: grids of trials, each of which trains one encoder on the first rows of a table and ranks its
//! test rows; their tables and plots.
//!
//! This room knows nothing of databases, queues or the wire. Whoever calls it says which table a grid runs on and where
//! its journal is.

mod grid;
mod journal;
mod plot;
mod results;
mod run;
mod table;
mod trial;

pub use grid::{Encoder, Grid, GridError, Size};
pub use journal::{Journal, JournalError, Outcome, TargetOutcome};
pub use plot::{PlotError, plots};
pub use results::Results;
pub use run::{Progress, RunError, Tables, run};
pub use table::{csv, markdown};
pub use trial::Trial;
