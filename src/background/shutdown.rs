//! The operating system's request to stop.

use std::io;

use tokio::signal::unix::{SignalKind, signal as listen};

/// Listens for SIGTERM and Ctrl-C from now on; the future completes with the first of them.
///
/// # Errors
/// When the operating system does not let the process listen.
///
/// # Panics
/// Outside a tokio runtime.
pub fn signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
