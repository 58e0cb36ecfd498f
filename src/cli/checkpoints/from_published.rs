//! `tagates checkpoints from-published`

use std::path::PathBuf;

use anyhow::{Context, bail};
use candle_core::Device;

use crate::cli::definition::builtin_or_file;
use crate::cli::output::Output;
use crate::cli::whole_file::write_whole;
use crate::fit::FitConfig;
use crate::model::{Checkpoint, Model, read_bounded};

/// Which tensors, and what they mean.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// State dict of the published implementation, as safetensors.
    file: PathBuf,
    /// Configuration whose model the tensors are of: the name of a built-in one, or a TOML file.
    #[arg(long, value_name = "NAME|FILE")]
    config: String,
    /// Search space of the predictor: the name of a built-in one, or a file that defines one.
    #[arg(long)]
    space: String,
    /// Training budgets, in epochs, that the last time steps predict, one each.
    #[arg(long, value_name = "EPOCHS", value_delimiter = ',')]
    budgets: Vec<u32>,
    /// Where the checkpoint goes.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Writes the checkpoint, once it has been loaded.
///
/// # Errors
/// When the file cannot be read or is not of the model described, or the checkpoint cannot be written.
pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let config = FitConfig::read(&args.config).context("could not read the configuration (--config)")?;
    let space = builtin_or_file(&args.space)?;
    let bytes =
        read_bounded(&args.file).with_context(|| format!("could not read {}", args.file.display()))?;
    if !args.budgets.is_sorted_by(|a, b| a < b) {
        bail!("budgets {:?} do not ascend (--budgets)", args.budgets);
    }
    let checkpoint = Checkpoint::from_published(&bytes, &config.model, &space, &args.budgets)
        .and_then(|checkpoint| Model::load(&checkpoint, &Device::Cpu).map(|_| checkpoint))
        .with_context(|| format!("could not use {} with {}", args.file.display(), args.config))?;
    write_whole(&args.out, checkpoint.as_bytes())
        .with_context(|| format!("could not write {} (--out)", args.out.display()))?;
    let mut out = Output::stdout();
    out.line(format_args!("wrote {}, {} bytes", args.out.display(), checkpoint.as_bytes().len()))?;
    out.flush()
}
