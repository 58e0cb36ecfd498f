//! The settings of this room.

use std::num::NonZero;

/// What a call may ask for.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Calls")]
pub struct Config {
    /// Architectures in one call at most.
    #[arg(long, value_name = "N", default_value = "4096")]
    pub max_architectures: NonZero<usize>,
}
