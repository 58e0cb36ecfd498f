//! Long work that Ctrl-C or SIGTERM asks to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::background::shutdown;

/// Does the work, which stops after its current epoch once the flag it gets is set.
///
/// # Errors
/// When it fails, or signals cannot be listened for.
pub(in crate::cli) fn until_interrupted(
    work: impl FnOnce(&AtomicBool) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("could not listen for signals")?;
    runtime.block_on(async {
        let working = tokio::task::spawn_blocking({
            let stop = stop.clone();
            move || work(&stop)
        });
        let stopping = shutdown::signal().context("could not listen for signals")?;
        tokio::pin!(working);
        tokio::select! {
            done = &mut working => done,
            () = stopping => {
                eprintln!("stopping after this epoch");
                stop.store(true, Ordering::Relaxed);
                working.await
            }
        }
        .context("the work died")?
    })
}
