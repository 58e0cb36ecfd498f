//! Which rows of which table: shared by `train` and `evaluate`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::domain::{Goal, Task, Unit};
use crate::fit::table::{Row, Selection, rows};
use crate::fit::{Columns, Dataset, Target};
use crate::model::{Header, ModelConfig};
use crate::space::{SaliencyOrigin, SearchSpace};

/// The column in which `tagates zero-cost` writes what it measured.
const MEASURED: &str = "saliencies";

/// A table of architectures and labels, and which rows of it.
#[derive(Debug, clap::Args)]
pub struct RowArgs {
    /// Table with a row for each architecture: .csv with a header, or .jsonl.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Column with the architecture in its space's notation. Where there is none, and that notation is a JSON
    /// object, its fields may be columns: `module_adjacency` and `module_operations` of nasbench101, `cells` of a
    /// space of your own.
    #[arg(long, value_name = "COLUMN", default_value = "arch")]
    arch_column: String,
    /// Column with the architecture's saliencies, for a model that takes them: a row of metrics for each
    /// operation as written, in JSON.
    #[arg(long, value_name = "COLUMN")]
    saliencies: Option<String>,
    /// Only rows with this text in this column; may be given several times.
    #[arg(long = "where", value_name = "COLUMN=TEXT", value_parser = condition)]
    conditions: Vec<(String, String)>,
    /// Pass over so many of the rows that are left.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Then take so many, going on from the first one where the table ends.
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// Unit of the labels; by default that of the task, else percent.
    #[arg(long, value_enum)]
    unit: Option<UnitArg>,
    /// Which labels are better; by default as the task says, else the larger ones.
    #[arg(long, value_enum)]
    goal: Option<GoalArg>,
}

/// Which labels are better, as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GoalArg {
    /// The larger ones, as of an accuracy.
    Maximize,
    /// The smaller ones, as of an error.
    Minimize,
}

impl From<GoalArg> for Goal {
    fn from(goal: GoalArg) -> Self {
        match goal {
            GoalArg::Maximize => Self::Maximize,
            GoalArg::Minimize => Self::Minimize,
        }
    }
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

/// How the saliencies of a row were measured, where it says so.
fn origin(row: &Row) -> anyhow::Result<Option<SaliencyOrigin>> {
    if !row.has("proxy_digest") {
        return Ok(None);
    }
    let Some(seed) = row.integer("seed")? else { bail!("line {}: seed is missing", row.line) };
    Ok(Some(SaliencyOrigin { proxy: row.text("proxy")?, digest: row.text("proxy_digest")?, seed }))
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
    /// What the labels mean: as the flags and the task say, which may not contradict each other.
    ///
    /// # Errors
    /// When a flag says other than the task.
    pub(in crate::cli) fn goal_and_unit(&self, task: Option<&Task>) -> anyhow::Result<(Goal, Unit)> {
        let (goal, unit) = (self.goal.map(Goal::from), self.unit.map(Unit::from));
        let Some(task) = task else {
            return Ok((goal.unwrap_or_default(), unit.unwrap_or(Unit::Percent)));
        };
        if goal.is_some_and(|goal| goal != task.goal) {
            bail!("the goal of task {} is to {} (--goal)", task.name, task.goal);
        }
        if unit.is_some_and(|unit| unit != task.unit) {
            bail!("the unit of task {} is {} (--unit)", task.name, task.unit);
        }
        Ok((task.goal, task.unit))
    }

    /// Whether there is a column of saliencies.
    pub(in crate::cli) fn has_saliencies(&self) -> bool {
        self.saliencies.is_some()
    }

    /// Checks that the rows come with saliencies where the model needs them.
    ///
    /// # Errors
    /// When it does and no column of them is named.
    pub(in crate::cli) fn check_saliencies(&self, model: &ModelConfig) -> anyhow::Result<()> {
        match model.n_metrics() {
            Some(n_metrics) if self.saliencies.is_none() => bail!(
                "the model needs {n_metrics} zero-cost saliencies of each operation: name their column (--saliencies), \
                 which `tagates zero-cost --out` writes"
            ),
            _ => Ok(()),
        }
    }

    /// How the saliencies were measured, where `tagates zero-cost` wrote it beside every one of them.
    ///
    /// # Errors
    /// When the table cannot be read, or two rows were measured otherwise.
    pub(in crate::cli) fn saliency_origin(&self) -> anyhow::Result<Option<SaliencyOrigin>> {
        if self.saliencies.as_deref() != Some(MEASURED) {
            return Ok(None);
        }
        let (mut known, mut are_all_known) = (None::<SaliencyOrigin>, true);
        for row in self.selection().pick(rows(&self.data)?)? {
            match (origin(&row)?, &known) {
                (Some(origin), Some(known)) if !origin.is_same(known) => bail!(
                    "line {}: saliencies were measured with {origin}, those before with {known} (--saliencies)",
                    row.line
                ),
                (Some(origin), _) => known = Some(origin),
                (None, _) => are_all_known = false,
            }
        }
        Ok(known.filter(|_| are_all_known))
    }

    /// Checks that the saliencies of these rows, which are of `origin`, are those that a checkpoint learnt from, as far
    /// as both are known.
    ///
    /// # Errors
    /// When they are not.
    pub(in crate::cli) fn check_origin(
        origin: Option<&SaliencyOrigin>,
        checkpoint: &Header,
    ) -> anyhow::Result<()> {
        match (origin, &checkpoint.saliencies) {
            (Some(origin), Some(learnt_from)) if !origin.is_same(learnt_from) => bail!(
                "saliencies were measured with {origin}, those of the checkpoint with {learnt_from} (--saliencies)"
            ),
            _ => Ok(()),
        }
    }

    fn selection(&self) -> Selection {
        Selection { conditions: self.conditions.clone(), skip: self.skip, first: self.first }
    }

    /// The rows that were asked for.
    ///
    /// # Errors
    /// When the table cannot be read or a row cannot be used.
    pub(in crate::cli) fn read(
        &self,
        space: &Arc<SearchSpace>,
        targets: &[Target],
        goal_and_unit: (Goal, Unit),
    ) -> anyhow::Result<Dataset> {
        self.select(space, targets, goal_and_unit, &self.selection())
    }

    /// All rows of the same table that meet another condition.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(in crate::cli) fn read_where(
        &self,
        space: &Arc<SearchSpace>,
        targets: &[Target],
        goal_and_unit: (Goal, Unit),
        condition: &(String, String),
    ) -> anyhow::Result<Dataset> {
        let selection = Selection { conditions: vec![condition.clone()], skip: 0, first: None };
        self.select(space, targets, goal_and_unit, &selection)
    }

    fn select(
        &self,
        space: &Arc<SearchSpace>,
        targets: &[Target],
        goal_and_unit: (Goal, Unit),
        selection: &Selection,
    ) -> anyhow::Result<Dataset> {
        let columns = Columns {
            architecture: self.arch_column.clone(),
            saliencies: self.saliencies.clone(),
            targets: targets.to_vec(),
        };
        Dataset::read(&self.data, selection, &columns, space, goal_and_unit)
            .with_context(|| format!("could not use {}", self.data.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin_of(column: &str, table: &str) -> anyhow::Result<Option<SaliencyOrigin>> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("measured.jsonl");
        std::fs::write(&data, table)?;
        let rows = RowArgs {
            data,
            arch_column: "arch".to_owned(),
            saliencies: Some(column.to_owned()),
            conditions: Vec::new(),
            skip: 0,
            first: None,
            unit: None,
            goal: None,
        };
        rows.saliency_origin()
    }

    #[test]
    fn saliencies_were_measured_as_every_row_says() {
        let line =
            |proxy, seed| format!("{{\"proxy\":{proxy:?},\"proxy_digest\":\"ab12\",\"seed\":{seed}}}\n");
        let known = origin_of(MEASURED, &line("small", 3).repeat(2)).expect("alike").expect("named");
        let expected = SaliencyOrigin { proxy: "small".to_owned(), digest: "ab12".to_owned(), seed: 3 };
        assert_eq!(known, expected);
        let of_two_names = line("small", 3) + &line("small.toml", 3);
        assert!(origin_of(MEASURED, &of_two_names).expect("alike").expect("named").is_same(&expected));

        let elsewhere = "{\"saliencies\":[]}\n";
        assert_eq!(origin_of(MEASURED, &(line("small", 3) + elsewhere)).expect("not known of one"), None);
        assert_eq!(origin_of("z", &line("small", 3)).expect("another column"), None);
        let message =
            origin_of(MEASURED, &(line("small", 3) + &line("small", 4))).expect_err("measured otherwise");
        assert_eq!(
            message.to_string(),
            "line 2: saliencies were measured with proxy small and seed 4, those before with proxy small and seed 3 \
             (--saliencies)"
        );
    }
}
