//! The settings of this room.

use std::num::NonZero;

use crate::fit::FitConfig;

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
    /// Train the predictors of a search space with this configuration, a built-in one or a TOML file, instead of the
    /// space's own. May be given for several spaces.
    #[arg(long, value_name = "SPACE=NAME|FILE", value_parser = of_space)]
    pub training_config: Vec<OfSpace>,
}

/// How the predictors of one search space are trained.
#[derive(Clone, Debug, PartialEq)]
pub struct OfSpace {
    /// The search space's name.
    pub space: String,
    /// How.
    pub config: FitConfig,
}

fn of_space(text: &str) -> Result<OfSpace, String> {
    let (space, config) = text.split_once('=').ok_or("is not SPACE=NAME or SPACE=FILE")?;
    let config = FitConfig::read(config).map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    Ok(OfSpace { space: space.to_owned(), config })
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
