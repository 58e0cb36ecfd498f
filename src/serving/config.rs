//! The settings of this room.

use std::num::NonZero;

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
