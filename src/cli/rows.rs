//! Which rows of which table: shared by `train` and `evaluate`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::domain::Unit;
use crate::fit::table::Selection;
use crate::fit::{Columns, Dataset, Target};
use crate::space::SearchSpace;

/// A table of architectures and labels, and which rows of it.
#[derive(Debug, clap::Args)]
pub struct RowArgs {
    /// Table with a row for each architecture: .csv with a header, or .jsonl.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Column with the architecture in its space's notation.
    #[arg(long, value_name = "COLUMN", default_value = "arch")]
    arch_column: String,
    /// Only rows with this text in this column; may be given several times.
    #[arg(long = "where", value_name = "COLUMN=TEXT", value_parser = condition)]
    conditions: Vec<(String, String)>,
    /// Pass over so many of the rows that are left.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Then take so many, going on from the first one where the table ends.
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// Unit of the labels.
    #[arg(long, value_enum, default_value_t = UnitArg::Percent)]
    unit: UnitArg,
}

/// Unit of labels, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum UnitArg {
    /// 0 to 100.
    Percent,
    /// 0 to 1.
    Fraction,
    /// Any number.
    None,
}

impl From<UnitArg> for Unit {
    fn from(unit: UnitArg) -> Self {
        match unit {
            UnitArg::Percent => Self::Percent,
            UnitArg::Fraction => Self::Fraction,
            UnitArg::None => Self::None,
        }
    }
}

/// `COLUMN=TEXT`
///
/// # Errors
/// When there is no `=`.
pub(in crate::cli) fn condition(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("is not COLUMN=TEXT")?;
    Ok((column.to_owned(), value.to_owned()))
}

impl RowArgs {
    /// The unit of the labels.
    pub(in crate::cli) fn unit(&self) -> Unit {
        self.unit.into()
    }

    /// The rows that were asked for.
    ///
    /// # Errors
    /// When the table cannot be read or a row cannot be used.
    pub(in crate::cli) fn read(
        &self,
        space: &Arc<SearchSpace>,
        targets: &[Target],
    ) -> anyhow::Result<Dataset> {
        self.select(space, targets, self.skip, self.first, &self.conditions)
    }

    /// All rows of the same table that meet other conditions.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(in crate::cli) fn read_where(
        &self,
        space: &Arc<SearchSpace>,
        targets: &[Target],
        conditions: &[(String, String)],
    ) -> anyhow::Result<Dataset> {
        self.select(space, targets, 0, None, conditions)
    }

    fn select(
        &self,
        space: &Arc<SearchSpace>,
        targets: &[Target],
        skip: usize,
        first: Option<usize>,
        conditions: &[(String, String)],
    ) -> anyhow::Result<Dataset> {
        let selection = Selection { conditions: conditions.to_vec(), skip, first };
        let columns = Columns { architecture: self.arch_column.clone(), targets: targets.to_vec() };
        Dataset::read(&self.data, &selection, &columns, space, self.unit())
            .with_context(|| format!("could not use {}", self.data.display()))
    }
}

/// The built-in space of that name.
///
/// # Errors
/// When there is none.
pub(in crate::cli) fn known_space(name: &str) -> anyhow::Result<Arc<SearchSpace>> {
    crate::space::builtin(name).ok_or_else(|| {
        let known: Vec<_> = crate::space::builtins().map(|space| space.name.clone()).collect();
        anyhow!("search space {name:?} is not known, only {} (--space)", known.join(", "))
    })
}
