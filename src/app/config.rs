//! The settings of the server: its own, and those of the rooms.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::app::device::DeviceConfig;
use crate::app::shipped;
use crate::domain::TaskName;
use crate::model::Checkpoint;
use crate::{grpc, retraining, serving, store};

/// How the server runs.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,
    /// Checkpoint to serve for its task, whichever version is its champion.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Task the checkpoint answers for, where it names none itself.
    #[arg(long, requires = "checkpoint")]
    pub task: Option<String>,
    /// What computes.
    #[command(flatten)]
    pub device: DeviceConfig,
    /// Seconds that accepted calls may take to be answered after SIGTERM.
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub drain_timeout_s: u64,
    /// Where everything is kept.
    #[command(flatten)]
    pub store: store::Config,
    /// Retraining.
    #[command(flatten)]
    pub retraining: retraining::Config,
    /// The queue in front of the model.
    #[command(flatten)]
    pub serving: serving::Config,
    /// Saliencies that clients do not send.
    #[command(flatten)]
    pub saliencies: serving::SaliencyConfig,
    /// The calls.
    #[command(flatten)]
    pub grpc: grpc::Config,
}

impl Config {
    /// The checkpoint that is served whatever the store says, and the task it answers for.
    ///
    /// # Errors
    /// When it cannot be read, or names another task than the configuration or none.
    pub fn pinned(&self) -> anyhow::Result<Option<(TaskName, Checkpoint)>> {
        let Some(path) = &self.checkpoint else { return Ok(None) };
        let checkpoint = shipped::checkpoint_or(Some(path))?;
        let named = match (&checkpoint.header().task, &self.task) {
            (Some(own), Some(asked)) if own != asked => {
                bail!("checkpoint {} is of task {own}, not {asked} (--task)", path.display())
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => bail!("checkpoint {} names no task: say which with --task", path.display()),
        };
        Ok(Some((TaskName::new(named).context("--task")?, checkpoint)))
    }
}
