//! A server that is asked.

use std::time::Duration;

use anyhow::{Context, bail};
use tonic::transport::Channel;

use crate::cli::lines::Line;
use crate::cli::predict::{Predictor, Scores};
use crate::cli::server::{Connection, Patience};
use crate::pb::predictor_service_client::PredictorServiceClient;
use crate::pb::{self, WireError};

/// Architectures in one call: few enough for a short wait, enough to keep the model busy.
const N_LINES: usize = 512;

/// How long a server may be busy, restarting or away: a long file is not given up for it.
const PATIENCE: Patience = Patience(Duration::from_mins(1));

/// A connection.
pub(super) struct Remote {
    connection: Connection,
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
        let connection = Connection::open(url)?;
        let client = PredictorServiceClient::new(connection.channel());
        Ok(Self { connection, client, task: task.unwrap_or_default(), model_version: String::new(), anytime })
    }
}

impl Predictor for Remote {
    fn n_lines(&self) -> usize {
        N_LINES
    }

    /// # Errors
    /// When the server refuses the call as a whole, stays away for too long, or answers what this client
    /// does not understand.
    fn score(&mut self, lines: &[Line]) -> anyhow::Result<Scores> {
        let (task, model_version) = (self.task.clone(), self.model_version.clone());
        let architectures = lines.iter().map(|line| pb::Architecture::from_text(&line.text)).collect();
        let scores = if self.anytime {
            let request = pb::PredictAnytimeRequest { task, model_version, architectures };
            let call = async || self.client.clone().predict_anytime(request.clone()).await;
            let reply = self.connection.run(PATIENCE.call(call))?;
            let outcomes = reply.results.into_iter().map(pb::PredictAnytimeResult::decode);
            Scores::read(reply.model_version, reply.score_kind, reply.unit, outcomes)
        } else {
            let request = pb::PredictRequest { task, model_version, architectures };
            let call = async || self.client.clone().predict(request.clone()).await;
            let reply = self.connection.run(PATIENCE.call(call))?;
            let outcomes = reply.results.into_iter().map(pb::PredictResult::decode);
            Scores::read(reply.model_version, reply.score_kind, reply.unit, outcomes)
        }
        .context("server's answer is not understood")?;
        if scores.predictions.len() != lines.len() {
            bail!("server answered {} results to {} architectures", scores.predictions.len(), lines.len());
        }
        self.model_version.clone_from(&scores.model_version);
        Ok(scores)
    }
}

impl Scores {
    /// What a reply says.
    fn read(
        model_version: String,
        score_kind: i32,
        unit: i32,
        outcomes: impl Iterator<Item = Result<pb::Outcome, WireError>>,
    ) -> anyhow::Result<Self> {
        let unit = match pb::Unit::try_from(unit)? {
            pb::Unit::Unspecified => None,
            unit => Some(unit.try_into()?),
        };
        Ok(Self {
            model_version,
            score_kind: pb::ScoreKind::try_from(score_kind)?.try_into()?,
            unit,
            predictions: outcomes
                .map(|outcome| Ok(outcome?.map_err(|error| error.message)))
                .collect::<Result<_, WireError>>()?,
        })
    }
}
