//! `tagates evaluate`

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};

use crate::app::{DeviceConfig, shipped};
use crate::cli::output::Output;
use crate::cli::rows::RowArgs;
use crate::cli::{available_threads, task_of};
use crate::domain::Budget;
use crate::fit::{Evaluation, Target};
use crate::model::Model;

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
    /// Judge the predictions for this training budget, in epochs; by default the one at the end of the column's name
    /// where the predictor has it, else the final one.
    #[arg(long, value_name = "EPOCHS")]
    budget: Option<u32>,
    #[command(flatten)]
    device: DeviceConfig,
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
    let checkpoint = shipped::checkpoint_or(args.checkpoint.as_deref())?;
    let model = Model::load(&checkpoint, &args.device.open()?).context("could not load the checkpoint")?;
    let target = Target::of_column(&args.target);
    let step = step_of(&model, args.budget, &target)?;
    let task = task_of(&checkpoint);
    let (goal, unit) = args.rows.goal_and_unit(task.as_ref())?;
    if let Some(range) = model.valid_range()
        && range != unit.valid_range().into_inner()
    {
        bail!("the model predicts values from {} to {}, not {unit:?} (--unit)", range.0, range.1);
    }
    args.rows.check_saliencies(&model.header().model)?;
    RowArgs::check_origin(args.rows.saliency_origin()?.as_ref(), model.header())?;
    let dataset = args.rows.read(model.space(), &[target], (goal, unit))?;
    let evaluation = Evaluation::of_model(&model, step, &dataset, 0, available_threads())?;
    let mut out = Output::stdout();
    match args.format {
        Format::Text => out.line(evaluation)?,
        Format::Json => {
            out.line(serde_json::to_string_pretty(&evaluation).context("could not write JSON")?)?;
        }
    }
    out.flush()
}

/// Which of the model's scored steps predicts for `budget`, or else for the target's, or is the last.
fn step_of(model: &Model, budget: Option<u32>, target: &Target) -> anyhow::Result<usize> {
    let steps = &model.header().steps;
    let predicting = |budget: u32| steps.iter().position(|head| head.budget == Some(budget));
    let Some(budget) = budget else {
        let of_target = target.budget.and_then(|Budget(epochs)| predicting(epochs));
        return Ok(of_target.unwrap_or(steps.len() - 1));
    };
    predicting(budget).ok_or_else(|| {
        let known: Vec<String> =
            steps.iter().filter_map(|head| head.budget).map(|budget| budget.to_string()).collect();
        anyhow!("the model does not predict for {budget} epochs, only for {} (--budget)", known.join(", "))
    })
}
