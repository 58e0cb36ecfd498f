//! `tagates serve`

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::app::{self, App};
use crate::background::shutdown;

/// Serves until it is told to stop.
///
/// # Errors
/// As [`App::build`] and [`App::run`].
pub(in crate::cli) fn run(config: app::Config) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("could not start the runtime")?;
    runtime.block_on(async {
        let stop = shutdown::signal().context("could not listen for signals")?;
        let app = App::build(config).await.context("could not start")?;
        tracing::info!(addr = %app.local_addr(), "listening");
        app.run(stop).await
    })
}
