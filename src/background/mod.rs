//! How long-running work waits, and learns that it should stop.
//!
//! This room knows nothing of what is being done or stopped.

mod nudge;
pub mod shutdown;

pub use nudge::Nudge;
