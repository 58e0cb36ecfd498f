//! `tagates runs watch`

use std::time::Duration;

use anyhow::bail;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::cli::Outcome;
use crate::cli::runs::print;
use crate::cli::server::{Connection, Patience, Refusal, ServerArgs};
use crate::pb::training_service_client::TrainingServiceClient;
use crate::pb::{self, RunState};
use crate::retraining::Decision;

/// How long a server that was there may be away.
const PATIENCE: Patience = Patience(Duration::from_mins(1));

/// Which run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Its number.
    #[arg(value_name = "NUMBER")]
    run: i64,
}

/// Shows how far the run is, then prints it as a JSON object. One that made no version is no complete success.
///
/// # Errors
/// When the server cannot be asked, or knows no such run.
pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let connection = args.server.connect()?;
    let style =
        ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {msg}").expect("a valid template");
    let bar = ProgressBar::new(0).with_style(style).with_prefix(format!("run {}", args.run));
    let run = connection.run(watch(connection.trainings(), args.run, &bar))?;
    bar.finish();
    if run.state() == RunState::Succeeded
        && let Some(decision) = decision(&connection, &run)
    {
        eprintln!("version {} is {decision}", run.model_version());
    }
    let outcome = if run.state() == RunState::Succeeded { Outcome::Complete } else { Outcome::Partial };
    print(Some(run))?;
    Ok(outcome)
}

/// What was decided of the version that a run made, where the server says it in a way this program knows.
fn decision(connection: &Connection, run: &pb::TrainingRun) -> Option<Decision> {
    let request =
        pb::GetModelVersionRequest { task: run.task.clone(), version: run.model_version().to_owned() };
    let version = connection.call(connection.models().get_model_version(request)).ok()?.version?;
    serde_json::from_value(pb::json::decode(version.decision?)).ok()
}

/// The run when it is over. Goes on with another stream where one breaks off.
async fn watch(
    client: TrainingServiceClient<Channel>,
    run: i64,
    bar: &ProgressBar,
) -> anyhow::Result<pb::TrainingRun> {
    loop {
        let request = pb::WatchTrainingRunRequest { run };
        let stream = PATIENCE.call(async || client.clone().watch_training_run(request).await).await?;
        match last(stream, bar).await {
            Ok(Some(run)) => return Ok(run),
            Ok(None) => bail!("server said nothing of the run"),
            Err(status) => Refusal::unless_passing(status).await?,
        }
    }
}

/// Shows what comes, and hands back the last of it.
async fn last(
    mut stream: Streaming<pb::WatchTrainingRunResponse>,
    bar: &ProgressBar,
) -> Result<Option<pb::TrainingRun>, Status> {
    let mut last = None;
    while let Some(message) = stream.message().await? {
        if let Some(run) = message.run {
            show(&run, bar);
            last = Some(run);
        }
    }
    Ok(last)
}

fn show(run: &pb::TrainingRun, bar: &ProgressBar) {
    let progress = run.progress.unwrap_or_default();
    let message = describe(run);
    tracing::debug!(run = run.run, epoch = progress.epoch, message, "run changed");
    bar.set_length(progress.n_epochs.into());
    bar.set_position(progress.epoch.into());
    bar.set_message(message);
}

/// How the run is, in a few words.
fn describe(run: &pb::TrainingRun) -> String {
    let failed = |run: &pb::TrainingRun| run.errors.last().map(|error| error.message.clone());
    match run.state() {
        RunState::Running if run.is_cancel_requested => "is asked to stop".to_owned(),
        RunState::Running => run.progress.as_ref().map_or("begins".to_owned(), numbers),
        RunState::Queued => {
            failed(run).map_or("is queued".to_owned(), |error| format!("is queued again: {error}"))
        }
        RunState::Succeeded => format!("made version {}", run.model_version()),
        RunState::Failed => format!("failed: {}", failed(run).unwrap_or_default()),
        RunState::Cancelled => "was cancelled".to_owned(),
        RunState::Unspecified => "is in a state this program does not know".to_owned(),
    }
}

fn numbers(progress: &pb::TrainingProgress) -> String {
    let number = |number: Option<f64>| number.map_or("-".to_owned(), |number| format!("{number:.3}"));
    let (loss, tau) = (number(progress.loss), number(progress.holdout_tau));
    let left = progress.seconds_left.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let left = left.map(|left| format!(", {} left", HumanDuration(left))).unwrap_or_default();
    format!("loss {loss}, holdout tau {tau}{left}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(progress: Option<pb::TrainingProgress>) -> pb::TrainingRun {
        pb::TrainingRun { state: RunState::Running.into(), progress, ..Default::default() }
    }

    #[test]
    fn a_run_is_described_by_what_is_known_of_it() {
        let progress = pb::TrainingProgress {
            epoch: 3,
            n_epochs: 200,
            loss: Some(0.12345),
            holdout_tau: Some(0.9),
            seconds_left: Some(40.0),
        };
        assert_eq!(describe(&running(Some(progress))), "loss 0.123, holdout tau 0.900, 40 seconds left");
        let unknown = pb::TrainingProgress { seconds_left: Some(f64::NAN), ..Default::default() };
        assert_eq!(describe(&running(Some(unknown))), "loss -, holdout tau -");
        assert_eq!(describe(&running(None)), "begins");
        let error = pb::TrainingError { at: None, message: "it died".into() };
        let again =
            pb::TrainingRun { state: RunState::Queued.into(), errors: vec![error], ..Default::default() };
        assert_eq!(describe(&again), "is queued again: it died");
        assert_eq!(describe(&pb::TrainingRun { state: RunState::Failed.into(), ..again }), "failed: it died");
        assert!(describe(&pb::TrainingRun { state: 99, ..Default::default() }).contains("does not know"));
    }
}
