//! How long-running work learns that it should stop.
//!
//! This room knows nothing of what is being stopped.

pub mod shutdown;
