//! The predictor service.

use std::num::NonZero;
use std::time::Instant;

use tonic::{Request, Response, Status};
use tracing::Span;

use crate::domain::{ModelVersionId, Prediction, ScoreKind, TaskName};
use crate::grpc::{Deadline, status};
use crate::pb::predictor_service_server::PredictorService;
use crate::pb::{self, WireError};
use crate::serving::{self, Target};

/// Scores architectures.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Predictor {
    serving: serving::Handle,
    max_architectures: NonZero<usize>,
}

impl Predictor {
    pub fn new(serving: serving::Handle, max_architectures: NonZero<usize>) -> Self {
        Self { serving, max_architectures }
    }

    fn target(&self, task: &str, version: String) -> Result<Target, Status> {
        let task = match task {
            "" => None,
            name => Some(TaskName::new(name).map_err(|error| WireError::new("task", error))?),
        };
        let version = (!version.is_empty()).then_some(ModelVersionId(version));
        Ok(self.serving.target(task.as_ref(), version.as_ref())?)
    }

    /// Scores what can be scored.
    async fn score(
        &self,
        target: Target,
        architectures: Vec<pb::Architecture>,
        deadline: Option<Instant>,
    ) -> Result<Reply, Status> {
        self.check_count(architectures.len())?;
        Span::current()
            .record("task", target.task.name.as_str())
            .record("n_architectures", architectures.len());

        let mut candidates = Vec::with_capacity(architectures.len());
        let decoded: Vec<Result<(), WireError>> = (architectures.into_iter())
            .map(|architecture| {
                architecture.decode(&target.task.space).map(|candidate| candidates.push(candidate))
            })
            .collect();
        let answer = self.serving.predict(&target, candidates, deadline).await?;

        let mut predictions = answer.predictions.into_iter();
        let outcomes = (decoded.into_iter().enumerate()).map(|(index, decoded)| {
            let prediction = decoded.and_then(|()| {
                let prediction = predictions.next().expect("serving answers every candidate");
                prediction.map_err(|error| WireError::new("saliencies", error))
            });
            prediction.map_err(|error| status::of_item(error.within(format_args!("architectures[{index}]"))))
        });
        Ok(Reply { outcomes: outcomes.collect(), timings: answer.timings, target })
    }

    fn check_count(&self, n_architectures: usize) -> Result<(), WireError> {
        let limit = self.max_architectures;
        match n_architectures {
            0 => Err(WireError::new("architectures", "at least one is needed")),
            n if n > limit.get() => {
                Err(WireError::new("architectures", format!("{n} are more than the {limit} of one call")))
            }
            _ => Ok(()),
        }
    }
}

/// What both calls answer from.
struct Reply {
    target: Target,
    outcomes: Vec<Result<Prediction, tonic_types::pb::Status>>,
    timings: serving::Timings,
}

impl Reply {
    fn unit(&self) -> pb::Unit {
        match self.target.version.score_kind {
            ScoreKind::Metric => self.target.task.unit.into(),
            ScoreKind::Rank => pb::Unit::Unspecified,
        }
    }

    fn score_kind(&self) -> pb::ScoreKind {
        self.target.version.score_kind.into()
    }

    fn timings(&self) -> pb::Timings {
        pb::Timings {
            queue_ms: self.timings.queue.as_secs_f64() * 1e3,
            compute_ms: self.timings.compute.as_secs_f64() * 1e3,
        }
    }
}

#[tonic::async_trait]
impl PredictorService for Predictor {
    #[tracing::instrument(name = "rpc.predict", skip_all, fields(task, n_architectures))]
    async fn predict(
        &self,
        request: Request<pb::PredictRequest>,
    ) -> Result<Response<pb::PredictResponse>, Status> {
        let deadline = deadline(&request);
        let request = request.into_inner();
        let target = self.target(&request.task, request.model_version)?;
        let reply = self.score(target, request.architectures, deadline).await?;
        Ok(Response::new(reply.into()))
    }

    #[tracing::instrument(name = "rpc.predict_anytime", skip_all, fields(task, n_architectures))]
    async fn predict_anytime(
        &self,
        request: Request<pb::PredictAnytimeRequest>,
    ) -> Result<Response<pb::PredictAnytimeResponse>, Status> {
        let deadline = deadline(&request);
        let request = request.into_inner();
        let target = self.target(&request.task, request.model_version)?;
        target.require_steps()?;
        let reply = self.score(target, request.architectures, deadline).await?;
        Ok(Response::new(reply.into()))
    }
}

fn deadline<T>(request: &Request<T>) -> Option<Instant> {
    request.extensions().get::<Deadline>().map(|deadline| deadline.0)
}

impl From<Reply> for pb::PredictResponse {
    fn from(reply: Reply) -> Self {
        use pb::predict_result::Outcome;

        Self {
            task: reply.target.task.name.to_string(),
            model_version: reply.target.version.id.to_string(),
            score_kind: reply.score_kind().into(),
            unit: reply.unit().into(),
            timings: Some(reply.timings()),
            results: (reply.outcomes.into_iter())
                .map(|outcome| match outcome {
                    Ok(prediction) => Outcome::Prediction((*prediction.last()).into()),
                    Err(error) => Outcome::Error(error),
                })
                .map(|outcome| pb::PredictResult { outcome: Some(outcome) })
                .collect(),
        }
    }
}

impl From<Reply> for pb::PredictAnytimeResponse {
    fn from(reply: Reply) -> Self {
        use pb::predict_anytime_result::Outcome;

        Self {
            task: reply.target.task.name.to_string(),
            model_version: reply.target.version.id.to_string(),
            score_kind: reply.score_kind().into(),
            unit: reply.unit().into(),
            timings: Some(reply.timings()),
            results: (reply.outcomes.into_iter())
                .map(|outcome| match outcome {
                    Ok(prediction) => Outcome::Prediction(prediction.into()),
                    Err(error) => Outcome::Error(error),
                })
                .map(|outcome| pb::PredictAnytimeResult { outcome: Some(outcome) })
                .collect(),
        }
    }
}
