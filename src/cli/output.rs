//! Standard output, line by line.

use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};

use anyhow::Context;

/// Whoever reads our output has seen enough, as in `tagates predict .. | head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("standard output is closed")]
pub(in crate::cli) struct OutputClosed;

/// Buffered standard output.
pub(in crate::cli) struct Output {
    out: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub fn stdout() -> Self {
        Self { out: BufWriter::new(io::stdout().lock()) }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// With [`OutputClosed`] when nobody reads any more; when it cannot be written otherwise.
    pub fn line(&mut self, line: impl fmt::Display) -> anyhow::Result<()> {
        written(writeln!(self.out, "{line}"))
    }

    /// Hands on all that was written.
    ///
    /// # Errors
    /// As [`Self::line`].
    pub fn flush(&mut self) -> anyhow::Result<()> {
        written(self.out.flush())
    }
}

fn written(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(OutputClosed.into()),
        result => result.context("could not write to standard output"),
    }
}
