//! `tagates evaluate`

use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context, anyhow};
use candle_core::Device;

use crate::app::shipped;
use crate::cli::output::Output;
use crate::cli::rows::RowArgs;
use crate::fit::{Dataset, Evaluation, Example, Judged, Target};
use crate::model::{Checkpoint, Input, Model, scores_in_parallel};

/// Which predictor is judged by which rows.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    rows: RowArgs,
    /// Column of labels.
    #[arg(long, value_name = "COLUMN")]
    target: String,
    /// Predictor to judge; the shipped one by default.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// Judge the predictions for this training budget, in epochs; the final one by default.
    #[arg(long, value_name = "EPOCHS")]
    budget: Option<u32>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Prints how good the predictor is.
///
/// # Errors
/// When the checkpoint or the rows cannot be used, or the predictor has no such budget.
pub(in crate::cli) fn run(args: &Args) -> anyhow::Result<()> {
    let checkpoint = match &args.checkpoint {
        Some(path) => Checkpoint::read(path).with_context(|| format!("could not use {}", path.display()))?,
        None => shipped::checkpoint()?,
    };
    let model = Model::load(&checkpoint, &Device::Cpu).context("could not load the checkpoint")?;
    let step = step_of(&model, args.budget)?;
    let dataset = args.rows.read(model.space(), &[Target::of_column(&args.target)])?;
    let n_threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let evaluation = evaluate(&model, step, &dataset, 0, n_threads)?;
    let mut out = Output::stdout();
    match args.format {
        Format::Text => out.line(evaluation)?,
        Format::Json => {
            out.line(serde_json::to_string_pretty(&evaluation).context("could not write JSON")?)?;
        }
    }
    out.flush()
}

/// Which of the model's scored steps predicts for `budget`.
fn step_of(model: &Model, budget: Option<u32>) -> anyhow::Result<usize> {
    let steps = &model.header().steps;
    let Some(budget) = budget else { return Ok(steps.len() - 1) };
    steps.iter().position(|head| head.budget == Some(budget)).ok_or_else(|| {
        let known: Vec<String> =
            steps.iter().filter_map(|head| head.budget).map(|budget| budget.to_string()).collect();
        anyhow!("the model does not predict for {budget} epochs, only for {} (--budget)", known.join(", "))
    })
}

/// Compares the `step`-th score of a model with the `target`-th label, where there is one.
///
/// # Errors
/// When the model does not take an example or fails.
pub(in crate::cli) fn evaluate(
    model: &Model,
    step: usize,
    dataset: &Dataset,
    target: usize,
    n_threads: NonZero<usize>,
) -> anyhow::Result<Evaluation> {
    let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
    let scores = scores_in_parallel(model, &inputs, n_threads)?;
    let judged: Vec<Judged> = dataset
        .examples
        .iter()
        .zip(scores)
        .filter_map(|(example, scores)| {
            let is_seen = model.header().trained_on.contains(&example.class);
            Some(Judged { prediction: scores[step], label: example.labels[target]?, is_seen })
        })
        .collect();
    Ok(Evaluation::new(&judged, model.is_calibrated()))
}
