//! `tagates checkpoints to-published`

use std::path::PathBuf;

use anyhow::Context;

use crate::cli::output::Output;
use crate::cli::whole_file::write_whole;
use crate::model::Checkpoint;

/// Which checkpoint.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Checkpoint.
    file: PathBuf,
    /// Where the state dict goes, as safetensors.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes its tensors under the published names, without what this program keeps beside them.
///
/// # Errors
/// When the checkpoint cannot be read or the file not be written.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let tensors = Checkpoint::read(&args.file)
        .and_then(|checkpoint| checkpoint.to_published())
        .with_context(|| format!("could not use {}", args.file.display()))?;
    write_whole(&args.out, &tensors)
        .with_context(|| format!("could not write {} (--out)", args.out.display()))?;
    let mut out = Output::stdout();
    out.line(format_args!("wrote {}, {} bytes", args.out.display(), tensors.len()))?;
    out.flush()
}
