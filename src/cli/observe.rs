//! `tagates observe`

use anyhow::{Context, bail};
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::output::Output;
use crate::cli::server::{ServerArgs, without_index};
use crate::pb::{self, record_result};

/// What was measured of which architecture.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task it is of.
    #[arg(long)]
    task: String,
    /// Epochs it was trained for; may be left out where the task has only one budget.
    #[arg(long, value_name = "EPOCHS")]
    budget: Option<u32>,
    /// The metric, in the unit of the task.
    #[arg(
        long,
        required_unless_present = "infeasible",
        conflicts_with = "infeasible",
        allow_negative_numbers = true
    )]
    value: Option<f64>,
    /// Why it could not be measured.
    #[arg(long, value_name = "REASON")]
    infeasible: Option<String>,
    /// Seed of the training.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    seed: i64,
    /// Who measured.
    #[arg(long, default_value = "")]
    source: String,
    /// Trainings the value is a mean of.
    #[arg(long, value_name = "N")]
    repeats: Option<u32>,
    /// Standard deviation of their values.
    #[arg(long, value_name = "VALUE", requires = "repeats", allow_negative_numbers = true)]
    standard_deviation: Option<f64>,
    /// The architecture, in its space's notation.
    #[arg(value_name = "ARCH")]
    architecture: String,
}

/// What became of it, as it is printed.
#[derive(Debug, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Record {
    New { sequence: i64 },
    Same { sequence: i64 },
    Conflict { sequence: i64, message: String },
}

/// Records one observation and prints what became of it.
///
/// # Errors
/// When the server cannot be asked, or refuses it. A conflict is printed, and no complete success.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<Outcome> {
    let connection = args.server.connect()?;
    let request = pb::RecordObservationsRequest { observations: vec![args.into()] };
    let reply = connection.call(connection.observations().record_observations(request))?;
    let result = reply.results.into_iter().next().and_then(|result| result.outcome);
    let record = match result.context("server answered without a result")? {
        record_result::Outcome::NewSequence(sequence) => Record::New { sequence },
        record_result::Outcome::SameSequence(sequence) => Record::Same { sequence },
        record_result::Outcome::Conflict(conflict) => {
            Record::Conflict { sequence: conflict.sequence, message: conflict.message }
        }
        record_result::Outcome::Error(error) => bail!("server refused it: {}", without_index(&error.message)),
    };
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&record)?)?;
    out.flush()?;
    Ok(match record {
        Record::New { .. } | Record::Same { .. } => Outcome::Complete,
        Record::Conflict { .. } => Outcome::Partial,
    })
}

impl From<Args> for pb::Observation {
    fn from(args: Args) -> Self {
        let value = args.value.map(pb::observation::Outcome::Value);
        let standard_deviation = args.standard_deviation;
        Self {
            task: args.task,
            architecture: Some(pb::Architecture::from_text(args.architecture)),
            budget: args.budget,
            outcome: value.or(args.infeasible.map(pb::observation::Outcome::InfeasibleReason)),
            seed: args.seed,
            source: args.source,
            repeats: args.repeats.map(|n| pb::Repeats { n, standard_deviation }),
        }
    }
}
