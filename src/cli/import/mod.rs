//! `tagates import`

mod batches;
mod layout;
mod sending;
mod tally;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Outcome;
use crate::cli::import::batches::Table;
use crate::cli::import::layout::Layout;
use crate::cli::import::sending::send;
use crate::cli::import::tally::Tally;
use crate::cli::output::Output;
use crate::cli::rows::condition;
use crate::cli::server::{Connection, Patience, ServerArgs};
use crate::fit::table::Selection;
use crate::pb;
use crate::space::{self, SearchSpace};

/// The notation of the search spaces that users create.
const GRAPH: &str = "graph";

/// Which rows of which table, and what they say.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task the observations are of.
    #[arg(long)]
    task: String,
    /// Table: .csv with a header, or .jsonl. Without --budgets and --target each row is one observation, as
    /// `tagates export` prints it: columns architecture, budget, value or `infeasible_reason`, and where they
    /// are there seed, source, repeats, `standard_deviation`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Columns of values, one observation each; the number at the end of a name, as in `acc_200`, is the
    /// budget in epochs. An empty field is no observation.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',', conflicts_with = "target")]
    budgets: Vec<String>,
    /// Column of values.
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Their budget in epochs, where neither the column's name nor the task says it.
    #[arg(long, value_name = "EPOCHS", conflicts_with = "budgets")]
    budget: Option<u32>,
    /// Column with the architecture in its space's notation: arch where there are columns of values, else
    /// architecture. Where there is none, and that notation is a JSON object, its fields may be columns:
    /// `module_adjacency` and `module_operations` of nasbench101, `cells` of a space of your own.
    #[arg(long, value_name = "COLUMN")]
    arch_column: Option<String>,
    /// Seed of the trainings, instead of what the rows say.
    #[arg(long, allow_negative_numbers = true)]
    seed: Option<i64>,
    /// Who measured, instead of what the rows say.
    #[arg(long)]
    source: Option<String>,
    /// Only rows with this text in this column; may be given several times.
    #[arg(long = "where", value_name = "COLUMN=TEXT", value_parser = condition)]
    conditions: Vec<(String, String)>,
    /// Pass over so many of the rows that are left.
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Then take so many, going on from the first one where the table ends.
    #[arg(long, value_name = "N")]
    first: Option<usize>,
    /// Check the whole table first, and send nothing where a row is bad.
    #[arg(long)]
    strict: bool,
    /// Seconds to go on trying while the server does not answer.
    #[arg(long, value_name = "S", default_value_t = 300)]
    retry_for_s: u64,
}

/// Sends a table, reports each row that is bad or in conflict by its line, and prints how many observations
/// became what. Each batch is sent until it is acknowledged, so nothing is lost when the server is gone for a
/// while; what arrives twice is stored once.
///
/// # Errors
/// When the server cannot be asked or refuses a call as a whole, or the table cannot be read to its end.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let connection = args.server.connect_lazily()?;
    let patience = Patience(Duration::from_secs(args.retry_for_s));
    let task = task(&connection, patience, &args.task)?;
    let space = search_space(&connection, patience, &task.search_space)?;
    let layout = Layout::new(args, &task, space.as_deref())?;
    layout.check_header(&args.file)?;
    let selection = Selection { conditions: args.conditions.clone(), skip: args.skip, first: args.first };
    let bar = progress_bar(args)?;
    let table = Table { path: &args.file, selection, layout, bar: bar.clone() };
    let mut tally = Tally::new(bar);
    if args.strict {
        let unknown = || format!("this binary does not know search space {} (--strict)", task.search_space);
        let space = space.with_context(unknown)?;
        check(&table, task, space, &mut tally)?;
    }
    let sent = if tally.n_failed() == 0 { send(&connection, patience, &table, &mut tally) } else { Ok(()) };
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&tally.finish())?)?;
    out.flush()?;
    sent.with_context(|| format!("could not import all of {}", args.file.display()))?;
    Ok(if tally.n_failed() == 0 { Outcome::Complete } else { Outcome::Partial })
}

fn task(connection: &Connection, patience: Patience, name: &str) -> anyhow::Result<pb::Task> {
    let request = pb::GetTaskRequest { name: name.to_owned() };
    let call = async || connection.tasks().get_task(request.clone()).await;
    connection.run(patience.call(call))?.task.context("server answered without a task")
}

/// The task's search space: a built-in one, or as the server tells it. `None` where it is written in a way that only a
/// newer binary knows.
fn search_space(
    connection: &Connection,
    patience: Patience,
    name: &str,
) -> anyhow::Result<Option<Arc<SearchSpace>>> {
    if let Some(builtin) = space::builtin(name) {
        return Ok(Some(builtin));
    }
    let request = pb::GetSearchSpaceRequest { name: name.to_owned() };
    let call = async || connection.search_spaces().get_search_space(request.clone()).await;
    let told = connection.run(patience.call(call))?.search_space;
    let told = told.context("server answered without a search space")?;
    Ok((told.notation == GRAPH).then(|| told.decode().ok()).flatten().map(Arc::new))
}

/// Reads the whole table as the server would. The tally is as before where every row is good.
fn check(
    table: &Table<'_>,
    task: pb::Task,
    space: Arc<SearchSpace>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let (task, _) = task.decode(space).context("this binary cannot check rows of this task (--strict)")?;
    for batch in table.batches()? {
        let batch = batch?;
        for failure in &batch.failures {
            tally.unreadable(failure);
        }
        for (place, observation) in batch.places.iter().zip(batch.observations) {
            if let Err(error) = observation.decode(&task) {
                tally.invalid(place, &error.to_string());
            }
        }
    }
    Ok(())
}

/// How much of the file was read.
fn progress_bar(args: &Args) -> anyhow::Result<ProgressBar> {
    let file = || format!("could not open {}", args.file.display());
    let n_bytes = std::fs::metadata(&args.file).with_context(file)?.len();
    let style = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes} {msg}, {eta} left")
        .expect("a valid template");
    Ok(ProgressBar::new(n_bytes).with_style(style))
}
