//! What a predictor is trained on and judged by.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::domain::{Budget, Goal, Holdout, Unit};
use crate::fit::table::{Row, Selection, TableError, rows};
use crate::model::Input;
use crate::space::{Architecture, CanonicalId, ParseError, Saliencies, SaliencyError, SearchSpace};

/// An architecture with what was measured of it.
#[derive(Clone, Debug)]
pub struct Example {
    /// As written.
    pub architecture: Architecture,
    /// The class it belongs to.
    pub class: CanonicalId,
    /// Its saliencies, where there are any.
    pub saliencies: Option<Saliencies>,
    /// For each target of the dataset, in the unit of the task; `None` where it was not measured.
    pub labels: Vec<Option<f64>>,
    /// For each target, whether it was tried to measure it in vain; there is no label then. None where empty.
    pub infeasible: Vec<bool>,
}

impl Example {
    /// Its label of a target on a scale where larger is better: minus infinity where it was infeasible,
    /// which is worse than anything that was measured; `None` where it was not tried.
    #[must_use]
    pub fn merit(&self, target: usize, goal: Goal) -> Option<f64> {
        let worst = self.infeasible.get(target).is_some_and(|is_infeasible| *is_infeasible);
        self.labels[target].map(|label| goal.merit(label)).or(worst.then_some(f64::NEG_INFINITY))
    }

    /// The example as a model is asked about it.
    #[must_use]
    pub fn input(&self) -> Input<'_> {
        Input { architecture: &self.architecture, saliencies: self.saliencies.as_ref() }
    }
}

/// A column that holds labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub column: String,
    /// How long the networks were trained for it, where known.
    pub budget: Option<Budget>,
}

impl Target {
    /// The target in `column`, whose budget is the number its name ends with: `c10_test_200` is after
    /// 200 epochs.
    #[must_use]
    pub fn of_column(column: &str) -> Self {
        let ending = column.rsplit('_').next().filter(|ending| ending.len() < column.len());
        let budget = ending.and_then(|ending| ending.parse().ok()).map(Budget);
        Self { column: column.to_owned(), budget }
    }
}

/// Labelled architectures of one space.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The space of every example.
    pub space: Arc<SearchSpace>,
    /// Which labels are better.
    pub goal: Goal,
    /// Unit of all labels.
    pub unit: Unit,
    /// What was measured, one label each.
    pub targets: Vec<Target>,
    /// In the order of the table.
    pub examples: Vec<Example>,
}

/// Why a table is no dataset.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A row whose architecture is not of the space.
    #[error("line {line}: {column}")]
    Architecture {
        /// Line in the file.
        line: u64,
        /// The column of architectures.
        column: String,
        /// Where it goes wrong.
        source: ParseError,
    },
    /// A row whose saliencies are none.
    #[error("line {line}: {column}")]
    Saliencies {
        /// Line in the file.
        line: u64,
        /// The column of saliencies.
        column: String,
        /// What is wrong with them.
        source: SaliencyError,
    },
    /// A label no metric of the unit can have.
    #[error("line {line}: {column} is {value}, outside {low} to {high}, which {unit:?} allows{hint}")]
    OutOfRange {
        /// Line in the file.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        value: f64,
        /// Smallest valid value.
        low: f64,
        /// Largest valid value.
        high: f64,
        /// The unit.
        unit: Unit,
        /// What may have gone wrong.
        hint: &'static str,
    },
    /// Nothing is left to work with.
    #[error("no row of {path} is selected")]
    Empty {
        /// The file.
        path: String,
    },
}

/// Where a table keeps what a dataset needs.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The architecture, in the space's notation. Where there is no such column, the fields of the notation's
    /// object may be columns.
    pub architecture: String,
    /// The saliencies, one row for each operation as written.
    pub saliencies: Option<String>,
    /// The labels.
    pub targets: Vec<Target>,
}

impl Dataset {
    /// Reads the selected rows of a CSV or JSON Lines file.
    ///
    /// # Errors
    /// Names the first row that cannot be used; also when no row is selected.
    pub fn read(
        path: &Path,
        selection: &Selection,
        columns: &Columns,
        space: &Arc<SearchSpace>,
        (goal, unit): (Goal, Unit),
    ) -> Result<Self, DatasetError> {
        let picked = selection.pick(rows(path)?)?;
        if picked.is_empty() {
            return Err(DatasetError::Empty { path: path.display().to_string() });
        }
        let mut examples: Vec<Example> =
            picked.iter().map(|row| example(row, columns, space, unit)).collect::<Result<_, _>>()?;
        // Nothing can be learnt from, or judged by, what was never measured.
        examples.retain(|example| example.labels.iter().any(Option::is_some));
        Ok(Self { space: space.clone(), goal, unit, targets: columns.targets.clone(), examples })
    }

    /// A dataset without examples.
    #[must_use]
    pub fn empty(space: &Arc<SearchSpace>, targets: &[Target], (goal, unit): (Goal, Unit)) -> Self {
        Self { space: space.clone(), goal, unit, targets: targets.to_vec(), examples: Vec::new() }
    }

    /// The same dataset with only the examples that `keep` wants.
    #[must_use]
    pub fn filtered(&self, mut keep: impl FnMut(&Example) -> bool) -> Self {
        let examples = self.examples.iter().filter(|example| keep(example)).cloned().collect();
        Self { examples, ..self.clone() }
    }

    /// Splits into what may be trained on and what the rule keeps back.
    #[must_use]
    pub fn split(&self, holdout: &Holdout) -> (Self, Self) {
        let kept_back = |example: &Example| holdout.contains(&example.class);
        (self.filtered(|example| !kept_back(example)), self.filtered(kept_back))
    }

    /// The classes of all examples.
    #[must_use]
    pub fn classes(&self) -> BTreeSet<CanonicalId> {
        self.examples.iter().map(|example| example.class.clone()).collect()
    }

    /// All merits of one target: see [`Example::merit`].
    #[must_use]
    pub fn merits(&self, target: usize) -> Vec<Option<f64>> {
        self.examples.iter().map(|example| example.merit(target, self.goal)).collect()
    }

    /// All labels of one target.
    #[must_use]
    pub fn labels(&self, target: usize) -> Vec<Option<f64>> {
        self.examples.iter().map(|example| example.labels[target]).collect()
    }
}

fn example(
    row: &Row,
    columns: &Columns,
    space: &Arc<SearchSpace>,
    unit: Unit,
) -> Result<Example, DatasetError> {
    let (column, fields) = (&columns.architecture, space.text_fields());
    let text = row.architecture(column, fields)?;
    let architecture = space.parse(&text).map_err(|source| DatasetError::Architecture {
        line: row.line,
        column: if row.has_column(column) { column.clone() } else { fields.join(", ") },
        source,
    })?;
    let labels =
        columns.targets.iter().map(|target| label(row, &target.column, unit)).collect::<Result<_, _>>()?;
    let saliencies = match &columns.saliencies {
        Some(column) => saliencies(row, column)?,
        None => None,
    };
    let class = architecture.canonical().id;
    Ok(Example { architecture, class, saliencies, labels, infeasible: Vec::new() })
}

fn saliencies(row: &Row, column: &str) -> Result<Option<Saliencies>, DatasetError> {
    let Some(rows) = row.rows_of_numbers(column)? else { return Ok(None) };
    let invalid = |source| DatasetError::Saliencies { line: row.line, column: column.to_owned(), source };
    Saliencies::from_rows(&rows).map(Some).map_err(invalid)
}

fn label(row: &Row, column: &str, unit: Unit) -> Result<Option<f64>, DatasetError> {
    let Some(value) = row.number(column)? else { return Ok(None) };
    let range = unit.valid_range();
    if range.contains(&value) {
        return Ok(Some(value));
    }
    let hint = match unit {
        Unit::Fraction if Unit::Percent.valid_range().contains(&value) => "; are these percents?",
        _ => "",
    };
    let (low, high) = range.into_inner();
    Err(DatasetError::OutOfRange { line: row.line, column: column.to_owned(), value, low, high, unit, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_the_number_a_column_ends_with() {
        for (column, budget) in
            [("c10_test_200", Some(200)), ("val_12", Some(12)), ("accuracy", None), ("200", None)]
        {
            assert_eq!(Target::of_column(column).budget, budget.map(Budget), "{column}");
        }
    }
}
