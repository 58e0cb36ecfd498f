//! `tagates work`

use std::sync::Arc;

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::app::{self, DeviceConfig};
use crate::background::shutdown;
use crate::zero_cost::{self, Proxies};
use crate::{retraining, store};

/// What is trained with, and where the work comes from.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    store: store::Config,
    #[command(flatten)]
    retraining: retraining::Config,
    #[command(flatten)]
    device: DeviceConfig,
    #[command(flatten)]
    saliencies: zero_cost::Config,
}

/// Trains what is due until it is told to stop.
///
/// # Errors
/// As [`app::work`].
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<()> {
    let device = args.device.open()?;
    let runtime = Runtime::new().context("could not start the runtime")?;
    runtime.block_on(async {
        let stop = shutdown::signal().context("could not listen for signals")?;
        let proxies = Arc::new(Proxies::new(&args.saliencies));
        app::work(&args.retraining, device, proxies, &args.store, stop).await
    })
}
