//! The settings of this room.

use std::num::NonZero;

use crate::zero_cost;

/// How much waits, and how much is computed at once.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Queue")]
pub struct Config {
    /// Architectures that may wait for the model, over all calls; further calls are told to retry later.
    #[arg(long, value_name = "N", default_value = "32768")]
    pub queue_capacity: NonZero<usize>,
    /// Architectures the model scores at once.
    #[arg(long, value_name = "N", default_value = "128")]
    pub max_batch: NonZero<usize>,
}

/// How saliencies are measured that clients do not send, for tasks that opted in.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Saliencies")]
pub struct SaliencyConfig {
    /// The proxies that tasks can choose.
    #[command(flatten)]
    pub proxies: zero_cost::Config,
    /// Architectures whose saliencies may wait to be measured, over all calls; further calls are told to retry later.
    #[arg(long, value_name = "N", default_value = "1024")]
    pub saliency_queue_capacity: NonZero<usize>,
    /// Threads that measure saliencies, besides those that serve and train.
    #[arg(long, value_name = "N", default_value = "1")]
    pub saliency_threads: NonZero<u16>,
    /// Architectures whose saliencies stay in memory, beside the database.
    #[arg(long, value_name = "N", default_value = "16384")]
    pub saliency_cache: NonZero<usize>,
}
