//! From a candidate to its scores: the queue, batches, deadlines, and the thread that owns the
//! models.
//!
//! A [`Handle`] resolves the task from memory and queues the candidates; [`Worker`]'s thread cuts a
//! batch of one model version the moment it is free, tasks taking turns, and answers. What has
//! expired or is no longer waited for never reaches the device.
//!
//! Where a model takes saliencies and a client sent none, those of a task that opted in are found or measured first, by
//! threads of their own: see [`SaliencyHandle`].
//!
//! This room knows nothing of the wire or of how a model came to be.

mod answer;
mod catalog;
mod champions;
mod config;
mod error;
mod filling;
mod handle;
mod job;
mod loading;
mod queue;
mod saliency;
mod schedule;
mod waiting;
mod worker;

pub use answer::{Answer, CandidateError, Timings};
pub use catalog::{ServedTask, Target, Version};
pub use champions::Champions;
pub use config::{Config, SaliencyConfig};
pub use error::{Error, LoadError, WarmUpError};
pub use handle::Handle;
pub use loading::load;
pub use saliency::{SaliencyHandle, SaliencyThreadPanicked, SaliencyWorker, start as start_saliencies};
pub use worker::{ThreadPanicked, Worker, start};
