//! A server that is asked.

use anyhow::{Context, anyhow};
use tokio::runtime::{self, Runtime};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::cli::lines::Line;
use crate::cli::predict::{Predictor, Scores};
use crate::domain::Prediction;
use crate::pb;
use crate::pb::predictor_service_client::PredictorServiceClient;

/// Architectures in one call: few enough for a short wait, enough to keep the model busy.
const N_LINES: usize = 512;

/// A connection.
pub(super) struct Remote {
    runtime: Runtime,
    client: PredictorServiceClient<Channel>,
    task: String,
    /// Empty until the first reply: the scores of one run all come from one version.
    model_version: String,
    anytime: bool,
}

impl Remote {
    /// Connects to `url`, which may leave out `http://`.
    ///
    /// # Errors
    /// When it is no URL or no server answers there.
    pub fn connect(url: &str, task: Option<String>, anytime: bool) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("could not start the runtime")?;
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let endpoint =
            Endpoint::from_shared(url.clone()).with_context(|| format!("{url:?} is no URL (--server)"))?;
        let channel =
            runtime.block_on(endpoint.connect()).with_context(|| format!("could not connect to {url}"))?;
        let client = PredictorServiceClient::new(channel);
        Ok(Self { runtime, client, task: task.unwrap_or_default(), model_version: String::new(), anytime })
    }
}

impl Predictor for Remote {
    fn n_lines(&self) -> usize {
        N_LINES
    }

    /// # Errors
    /// When the server refuses the call as a whole, or answers what this client does not understand.
    fn score(&mut self, lines: &[Line]) -> anyhow::Result<Scores> {
        let (task, model_version) = (self.task.clone(), self.model_version.clone());
        let architectures = lines.iter().map(|line| pb::Architecture::from_text(&line.text)).collect();
        let scores = if self.anytime {
            let request = pb::PredictAnytimeRequest { task, model_version, architectures };
            let reply = self
                .runtime
                .block_on(self.client.predict_anytime(request))
                .map_err(|status| refusal(&status))?
                .into_inner();
            let outcomes = reply.results.into_iter().map(|result| match result.outcome {
                Some(pb::predict_anytime_result::Outcome::Prediction(prediction)) => {
                    Some(Ok(prediction.try_into().ok()?))
                }
                Some(pb::predict_anytime_result::Outcome::Error(error)) => Some(Err(error.message)),
                None => None,
            });
            Scores::read(reply.model_version, reply.score_kind, reply.unit, outcomes)
        } else {
            let request = pb::PredictRequest { task, model_version, architectures };
            let reply = self
                .runtime
                .block_on(self.client.predict(request))
                .map_err(|status| refusal(&status))?
                .into_inner();
            let outcomes = reply.results.into_iter().map(|result| match result.outcome {
                Some(pb::predict_result::Outcome::Prediction(prediction)) => {
                    Some(Ok(Prediction { steps: vec![prediction.into()] }))
                }
                Some(pb::predict_result::Outcome::Error(error)) => Some(Err(error.message)),
                None => None,
            });
            Scores::read(reply.model_version, reply.score_kind, reply.unit, outcomes)
        }?;
        self.model_version.clone_from(&scores.model_version);
        Ok(scores)
    }
}

fn refusal(status: &Status) -> anyhow::Error {
    anyhow!("server answered {:?}: {}", status.code(), status.message())
}

impl Scores {
    /// What a reply says.
    fn read(
        model_version: String,
        score_kind: i32,
        unit: i32,
        outcomes: impl Iterator<Item = Option<Result<Prediction, String>>>,
    ) -> anyhow::Result<Self> {
        let unknown = "the server answered what this client does not understand";
        let unit = match pb::Unit::try_from(unit).context(unknown)? {
            pb::Unit::Unspecified => None,
            unit => Some(unit.try_into()?),
        };
        Ok(Self {
            model_version,
            score_kind: pb::ScoreKind::try_from(score_kind).context(unknown)?.try_into()?,
            unit,
            predictions: outcomes.map(|outcome| outcome.context(unknown)).collect::<Result<_, _>>()?,
        })
    }
}
