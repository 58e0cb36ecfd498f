//! The settings of this room.

use std::num::NonZero;

/// Whether and with how much of the machine predictors are trained.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Training")]
pub struct Config {
    /// Whether this process trains. One that does not leaves it to others on the same database.
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t)]
    pub training: Training,
    /// Threads that training may keep busy, besides those that serve.
    #[arg(long, value_name = "N", default_value = "1")]
    pub training_threads: NonZero<usize>,
    /// Share of the time that these threads compute; they rest between epochs for the rest of it.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    pub training_share: f64,
}

/// Whether this process trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Training {
    /// It does, whenever a run is due.
    #[default]
    On,
    /// It does not.
    Off,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if share > 0.0 && share <= 1.0 { Ok(share) } else { Err("not above 0 and at most 1".to_owned()) }
}
