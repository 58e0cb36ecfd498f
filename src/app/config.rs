//! The settings of the server: its own, and those of the rooms.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::app::shipped;
use crate::domain::{Task, TaskName};
use crate::model::Checkpoint;
use crate::{grpc, serving};

/// How the server runs.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    pub listen: SocketAddr,
    /// Checkpoint to serve instead of the shipped one.
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,
    /// Task the checkpoint answers for, where it names none itself.
    #[arg(long, requires = "checkpoint")]
    pub task: Option<String>,
    /// Seconds that accepted calls may take to be answered after SIGTERM.
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub drain_timeout_s: u64,
    /// The queue in front of the model.
    #[command(flatten)]
    pub serving: serving::Config,
    /// The calls.
    #[command(flatten)]
    pub grpc: grpc::Config,
}

impl Config {
    /// The task that is served, with its checkpoint.
    ///
    /// # Errors
    /// When the checkpoint cannot be read, or names another task than the configuration or none that is
    /// known.
    pub fn served(&self) -> anyhow::Result<(Task, Checkpoint)> {
        let Some(path) = &self.checkpoint else {
            return Ok((Task::nasbench201_cifar10(), shipped::checkpoint()?));
        };
        let checkpoint = shipped::checkpoint_or(Some(path))?;
        let named = match (&checkpoint.header().task, &self.task) {
            (Some(own), Some(asked)) if own != asked => {
                bail!("checkpoint {} is of task {own}, not {asked} (--task)", path.display())
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => bail!("checkpoint {} names no task: say which with --task", path.display()),
        };
        let task =
            Task::builtin(&TaskName::new(named)?).with_context(|| format!("task {named} is not known"))?;
        Ok((task, checkpoint))
    }
}
