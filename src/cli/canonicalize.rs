//! `tagates canonicalize`

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use crate::cli::definition::builtin_or_file;
use crate::cli::lines;
use crate::cli::output::Output;
use crate::fit::table::{self, TableError};
use crate::space::SearchSpace;

/// Which architectures.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Search space of the architectures: a built-in one, as nasbench201, or a file that defines one.
    #[arg(long, value_name = "NAME|FILE")]
    space: String,
    /// File with an architecture a line, or a table: .csv with a header, or .jsonl; - is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Column of a table with the architecture in its space's notation. Where there is none, and that notation is a
    /// JSON object, its fields may be columns: `module_adjacency` and `module_operations` of nasbench101, `cells`
    /// of a space of your own.
    #[arg(long, value_name = "COLUMN", default_value = "arch")]
    arch_column: String,
}

/// Prints one canonical id for each line that is not blank, in order.
///
/// # Errors
/// When the space is unknown, the input cannot be read, or a line is no architecture of the space: then
/// what comes before it has been printed.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<()> {
    let space = builtin_or_file(&args.space)?;
    let mut out = Output::stdout();
    for text in args.texts(&space)? {
        let (line, text) = text?;
        let architecture = space.parse(&text).with_context(|| format!("line {line}"))?;
        out.line(architecture.canonical().id)?;
    }
    out.flush()
}

/// The number of a line, and the architecture it writes.
type Text = (u64, String);

impl Args {
    fn texts(
        &self,
        space: &Arc<SearchSpace>,
    ) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<Text>> + '_>> {
        let rows = match table::rows(&self.input) {
            Err(TableError::Format { .. }) => {
                let lines = lines::read(&self.input)?;
                return Ok(Box::new(lines.map(|line| line.map(|line| (line.number as u64, line.text)))));
            }
            rows => rows?,
        };
        let fields = space.text_fields();
        Ok(Box::new(rows.map(move |row| {
            let row = row?;
            Ok((row.line, row.architecture(&self.arch_column, fields)?))
        })))
    }
}
