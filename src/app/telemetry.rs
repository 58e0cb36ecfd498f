//! What the process tells of itself while it runs: log lines on standard error.

use std::io::{self, IsTerminal};

use anyhow::Context;
use tracing_subscriber::EnvFilter;

/// How much is logged.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// What to log: a level, or levels by room, as `info,tagates::serving=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// Starts logging. Called once, before anything else runs.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub fn init(config: &Config) -> anyhow::Result<()> {
    let filter: EnvFilter =
        config.log.parse().with_context(|| format!("{:?} is no log filter (--log)", config.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init()
        .map_err(|error| anyhow::anyhow!(error).context("could not start logging"))
}
