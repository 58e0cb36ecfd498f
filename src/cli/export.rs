//! `tagates export`

use anyhow::Context;
use serde::Serialize;

use crate::cli::filter::FilterArgs;
use crate::cli::output::Output;
use crate::cli::server::ServerArgs;
use crate::pb::{self, architecture::Notation, observation};

/// Observations in one call.
const PAGE_SIZE: i32 = 1_000;

/// Which observations.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task they are of.
    #[arg(long)]
    task: String,
    #[command(flatten)]
    filter: FilterArgs,
    /// Print those that were retracted too, with the number of their retraction. `tagates import` passes over
    /// them.
    #[arg(long)]
    with_retracted: bool,
}

/// An observation as it is printed: what `tagates import` reads, and what the server adds.
#[derive(Debug, Serialize)]
struct Record {
    sequence: i64,
    task: String,
    architecture: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    infeasible_reason: Option<String>,
    seed: i64,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    standard_deviation: Option<f64>,
    canonical_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retracted_by: Option<i64>,
}

/// Prints a JSON object a line, in the order in which the observations were accepted.
///
/// # Errors
/// When the server cannot be asked, refuses, or answers what this client does not understand.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let mut request = pb::ListObservationsRequest {
        task: args.task,
        filter: Some(args.filter.into()),
        with_retracted: args.with_retracted,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    };
    let mut out = Output::stdout();
    loop {
        let page = connection.call(connection.observations().list_observations(request.clone()))?;
        for stored in page.observations {
            let record = Record::read(stored).context("server's answer is not understood")?;
            out.line(serde_json::to_string(&record)?)?;
        }
        if page.next_page_token.is_empty() {
            return out.flush();
        }
        request.page_token = page.next_page_token;
    }
}

impl Record {
    fn read(stored: pb::StoredObservation) -> anyhow::Result<Self> {
        let observation = stored.observation.context("no observation")?;
        let notation = observation.architecture.and_then(|architecture| architecture.notation);
        let Some(Notation::Text(architecture)) = notation else {
            anyhow::bail!("no architecture as text");
        };
        let (value, infeasible_reason) = match observation.outcome.context("no outcome")? {
            observation::Outcome::Value(value) => (Some(value), None),
            observation::Outcome::InfeasibleReason(reason) => (None, Some(reason)),
        };
        Ok(Self {
            sequence: stored.sequence,
            task: observation.task,
            architecture,
            budget: observation.budget,
            value,
            infeasible_reason,
            seed: observation.seed,
            source: observation.source,
            repeats: observation.repeats.map(|repeats| repeats.n),
            standard_deviation: observation.repeats.and_then(|repeats| repeats.standard_deviation),
            canonical_id: stored.canonical_id,
            recorded_at: stored.recorded_at.map(|moment| moment.to_string()),
            retracted_by: stored.retracted_by,
        })
    }
}
