//! What a row of a table says.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::cli::import::Args;
use crate::domain::Budget;
use crate::fit::Target;
use crate::fit::table::{Row, TableError, rows};
use crate::pb::{self, observation::Outcome};
use crate::space::SearchSpace;

/// Where in the table an observation stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub line: u64,
    /// The column of its value, where a row has several.
    pub column: Option<Arc<str>>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        self.column.as_ref().map_or(Ok(()), |column| write!(f, ", {column}"))
    }
}

/// One observation of a row, or why it is none.
pub(super) type Found = (Place, Result<pb::Observation, TableError>);

/// Which columns say what.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    task: String,
    architecture: String,
    /// The columns that write an architecture where the one above is not there.
    text_fields: &'static [&'static str],
    seed: Option<i64>,
    source: Option<String>,
    values: Values,
}

#[derive(Clone, Debug)]
enum Values {
    /// A row is one observation, as `tagates export` prints it.
    Record,
    /// A row has an observation in each of these columns.
    Columns(Vec<ValueColumn>),
}

#[derive(Clone, Debug)]
struct ValueColumn {
    name: Arc<str>,
    /// `None` where the task has only one.
    budget: Option<u32>,
}

impl Layout {
    /// The layout that the flags say, of the task's search space where this binary knows it.
    ///
    /// # Errors
    /// When a column's budget is not known, or none of the task.
    pub fn new(args: &Args, task: &pb::Task, space: Option<&SearchSpace>) -> anyhow::Result<Self> {
        let columns = if args.budgets.is_empty() { args.target.as_slice() } else { &args.budgets };
        let values = match columns {
            [] if args.budget.is_some() => bail!("name the column of the values (--target)"),
            [] => Values::Record,
            columns => Values::Columns(
                columns
                    .iter()
                    .map(|column| ValueColumn::new(column, args.budget, task))
                    .collect::<Result<_, _>>()?,
            ),
        };
        let architecture = match &values {
            Values::Record => "architecture",
            Values::Columns(_) => "arch",
        };
        Ok(Self {
            task: task.name.clone(),
            architecture: args.arch_column.clone().unwrap_or_else(|| architecture.to_owned()),
            text_fields: space.map_or(&[], SearchSpace::text_fields),
            seed: args.seed,
            source: args.source.clone(),
            values,
        })
    }

    /// Checks that a CSV file has the columns that were named, so that a mistyped one is not an error of each
    /// of its rows. Rows of JSON Lines may each have others.
    ///
    /// # Errors
    /// When the file cannot be read or lacks one.
    pub fn check_header(&self, file: &Path) -> anyhow::Result<()> {
        if file.extension().is_none_or(|ending| ending != "csv") {
            return Ok(());
        }
        let Some(Ok(first)) = rows(file)?.next() else { return Ok(()) };
        self.architecture(&first).context("--arch-column")?;
        match &self.values {
            Values::Record => first.text("budget").map(drop).context("a row without --budgets or --target"),
            Values::Columns(columns) => columns
                .iter()
                .try_for_each(|column| first.text(&column.name).map(drop).context("--budgets, --target")),
        }
    }

    /// The observations of a row.
    ///
    /// # Errors
    /// When the row has no architecture, and so no observation at all.
    pub fn read(&self, row: &Row) -> Result<Vec<Found>, TableError> {
        let architecture = self.architecture(row)?;
        let observation = || pb::Observation {
            task: self.task.clone(),
            architecture: Some(pb::Architecture::from_text(architecture.clone())),
            seed: self.seed.unwrap_or(0),
            source: self.source.clone().unwrap_or_default(),
            ..pb::Observation::default()
        };
        match &self.values {
            // Taken back: no observation any more.
            Values::Record if row.has("retracted_by") => Ok(Vec::new()),
            Values::Record => {
                let place = Place { line: row.line, column: None };
                Ok(vec![(place, self.record(row, observation()))])
            }
            Values::Columns(columns) => Ok(columns
                .iter()
                .filter_map(|column| {
                    let place = Place { line: row.line, column: Some(column.name.clone()) };
                    let found = row.number(&column.name).transpose()?.map(|value| pb::Observation {
                        budget: column.budget,
                        outcome: Some(Outcome::Value(value)),
                        ..observation()
                    });
                    Some((place, found))
                })
                .collect()),
        }
    }

    fn architecture(&self, row: &Row) -> Result<String, TableError> {
        row.architecture(&self.architecture, self.text_fields)
    }

    fn record(&self, row: &Row, observation: pb::Observation) -> Result<pb::Observation, TableError> {
        let text = |column| if row.has(column) { row.text(column).map(Some) } else { Ok(None) };
        let number = |column| if row.has(column) { row.number(column) } else { Ok(None) };
        let value = number("value")?.map(Outcome::Value);
        let reason = text("infeasible_reason")?.map(Outcome::InfeasibleReason);
        if let (Some(_), Some(_)) = (&value, &reason) {
            let (first, second) = ("value", "infeasible_reason");
            return Err(TableError::Contradiction { line: row.line, first, second });
        }
        let repeats: Option<u32> = row.integer("repeats")?;
        let standard_deviation = number("standard_deviation")?;
        if let (None, Some(_)) = (repeats, standard_deviation) {
            return Err(TableError::Lone { line: row.line, column: "standard_deviation", other: "repeats" });
        }
        Ok(pb::Observation {
            budget: row.integer("budget")?,
            outcome: value.or(reason),
            seed: match self.seed {
                Some(seed) => seed,
                None => row.integer("seed")?.unwrap_or(0),
            },
            source: match &self.source {
                Some(source) => source.clone(),
                None => text("source")?.unwrap_or_default(),
            },
            repeats: repeats.map(|n| pb::Repeats { n, standard_deviation }),
            ..observation
        })
    }
}

impl ValueColumn {
    fn new(column: &str, budget: Option<u32>, task: &pb::Task) -> anyhow::Result<Self> {
        let known: Vec<_> = task.budgets.iter().map(u32::to_string).collect();
        let (name, known) = (&task.name, known.join(", "));
        let named = Target::of_column(column).budget.map(|Budget(epochs)| epochs);
        let is_known = |epochs: &u32| task.budgets.contains(epochs);
        match budget.or(named) {
            Some(epochs) if !is_known(&epochs) && budget.is_some() => {
                bail!("{epochs} is no budget of task {name}, which has {known} (--budget)")
            }
            Some(epochs) if !is_known(&epochs) => {
                bail!(
                    "column {column:?} is of {epochs} epochs, task {name} has {known} (--budget says otherwise)"
                )
            }
            None if task.budgets.len() != 1 => {
                bail!("column {column:?} names no budget of task {name}, which has {known} (--budget)")
            }
            budget => Ok(Self { name: column.into(), budget }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_of_the_budget_it_names_or_of_the_only_one() {
        let task = |budgets: &[u32]| pb::Task {
            name: "mine".into(),
            budgets: budgets.into(),
            ..pb::Task::default()
        };
        let budget = |column: &str, given: Option<u32>, budgets: &[u32]| {
            ValueColumn::new(column, given, &task(budgets))
                .map(|it| it.budget)
                .map_err(|error| error.to_string())
        };
        assert_eq!(budget("accuracy", None, &[200]), Ok(None));
        assert_eq!(budget("acc_200", None, &[12, 200]), Ok(Some(200)));
        assert_eq!(budget("acc_12", Some(200), &[200]), Ok(Some(200)));
        for (column, given, budgets, message) in [
            (
                "acc_12",
                None,
                &[200][..],
                "column \"acc_12\" is of 12 epochs, task mine has 200 (--budget says otherwise)",
            ),
            (
                "accuracy",
                None,
                &[12, 200],
                "column \"accuracy\" names no budget of task mine, which has 12, 200 (--budget)",
            ),
            ("acc_200", Some(12), &[200], "12 is no budget of task mine, which has 200 (--budget)"),
        ] {
            assert_eq!(budget(column, given, budgets), Err(message.to_owned()));
        }
    }
}
