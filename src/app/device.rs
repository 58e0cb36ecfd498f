//! Which device a command computes on.

use anyhow::Context;
use candle_core::Device;

use crate::model::{DeviceChoice, NoGpu, Opened};

/// The device of a command.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(skip)]
pub struct DeviceConfig {
    /// What computes: `cpu`, `cuda:N` for the GPU of that number, or `auto` for GPU 0 where there is one, else
    /// the CPU.
    #[arg(long, value_name = "auto|cpu|cuda:N", env = "TAGATES_DEVICE", default_value_t)]
    pub device: DeviceChoice,
}

impl DeviceConfig {
    /// The device, after it has answered. Says so where it is a GPU, or why it is none.
    ///
    /// # Errors
    /// When a GPU was asked for by its number and cannot be computed on.
    pub fn open(self) -> anyhow::Result<Device> {
        let asked = self.device;
        let Opened { device, why_no_gpu } =
            asked.open().with_context(|| format!("could not compute on {asked} (--device)"))?;
        match why_no_gpu {
            // Nobody expects a GPU of a binary without CUDA.
            Some(NoGpu::NotBuilt) => tracing::debug!("computing on the CPU"),
            Some(why) => tracing::warn!("computing on the CPU: {why}"),
            None if device.is_cpu() => tracing::debug!("computing on the CPU"),
            None => tracing::info!(device = ?device.location(), "computing"),
        }
        Ok(device)
    }
}
