//! `tagates canonicalize`

use std::path::PathBuf;

use anyhow::Context;

use crate::cli::lines;
use crate::cli::output::Output;
use crate::cli::rows::known_space;

/// Which architectures.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Search space of the architectures, as nasbench201.
    #[arg(long)]
    space: String,
    /// File with an architecture a line; - is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
}

/// Prints one canonical id for each line that is not blank, in order.
///
/// # Errors
/// When the space is unknown, the input cannot be read, or a line is no architecture of the space: then
/// what comes before it has been printed.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<()> {
    let space = known_space(&args.space)?;
    let mut out = Output::stdout();
    for line in lines::read(&args.input)? {
        let line = line?;
        let architecture = space.parse(&line.text).with_context(|| format!("line {}", line.number))?;
        out.line(architecture.canonical().id)?;
    }
    out.flush()
}
