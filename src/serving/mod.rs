//! From a candidate to its scores: the queue, batches, deadlines, and the thread that owns the
//! models.
//!
//! A [`Handle`] resolves the task from memory and queues the candidates; [`Worker`]'s thread cuts a
//! batch of one model version the moment it is free, tasks taking turns, and answers. What has
//! expired or is no longer waited for never reaches the device.
//!
//! This room knows nothing of the wire or of how a model came to be.

mod answer;
mod catalog;
mod champions;
mod config;
mod error;
mod handle;
mod job;
mod loading;
mod queue;
mod schedule;
mod worker;

pub use answer::{Answer, CandidateError, Timings};
pub use catalog::{Target, Version};
pub use champions::Champions;
pub use config::Config;
pub use error::{Error, LoadError, WarmUpError};
pub use handle::Handle;
pub use loading::load;
pub use worker::{ThreadPanicked, Worker, start};
