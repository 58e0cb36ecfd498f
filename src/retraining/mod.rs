//! From observations to a better champion: whether a training run is due, what it is trained on, and
//! whether what it made may be promoted. The decisions are pure functions.
//!
//! This room knows nothing of how versions are served or asked for.

mod due;
mod gate;

pub use due::{Due, Facts, PastRun, Reason, Why, back_off, is_due};
pub use gate::{Contender, Decision, Figures, Judgement, Keep, Promote, Training, Verdict, decide};
