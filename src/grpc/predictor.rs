//! The predictor service.

use std::num::NonZero;
use std::time::Instant;

use tonic::{Request, Response, Status};
use tracing::Span;

use crate::domain::{ModelVersionId, ScoreKind, TaskName};
use crate::grpc::{Deadline, status};
use crate::pb::predictor_service_server::PredictorService;
use crate::pb::{self, WireError};
use crate::serving::{self, CandidateError, Target};

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
            let at = format!("architectures[{index}]");
            decoded.map_err(|error| status::of_item(error.within(&at)))?;
            let prediction = predictions.next().expect("serving answers every candidate");
            prediction.map_err(|error| match error {
                CandidateError::NoSaliencies { .. } => {
                    let field = format!("{at}.saliencies");
                    status::of_item(status::no_saliencies(&target.task.name, &field, &error.to_string()))
                }
                CandidateError::Input(error) => {
                    status::of_item(WireError::new("saliencies", error).within(at))
                }
                CandidateError::NotFinite => status::of_item(status::internal_item(format!("{at}: {error}"))),
            })
        });
        Ok(Reply::new(&target, answer.timings, outcomes.collect()))
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

/// What both calls answer, but for the shape of a prediction.
struct Reply {
    task: String,
    model_version: String,
    score_kind: i32,
    unit: i32,
    timings: Option<pb::Timings>,
    outcomes: Vec<pb::Outcome>,
}

impl Reply {
    fn new(target: &Target, timings: serving::Timings, outcomes: Vec<pb::Outcome>) -> Self {
        let Target { task, version } = target;
        let unit = match version.score_kind {
            ScoreKind::Metric => task.unit.into(),
            ScoreKind::Rank => pb::Unit::Unspecified,
        };
        Self {
            task: task.name.to_string(),
            model_version: version.id.to_string(),
            score_kind: pb::ScoreKind::from(version.score_kind).into(),
            unit: unit.into(),
            timings: Some(pb::Timings {
                queue_ms: timings.queue.as_secs_f64() * 1e3,
                compute_ms: timings.compute.as_secs_f64() * 1e3,
                saliency_ms: timings.saliencies.as_secs_f64() * 1e3,
            }),
            outcomes,
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
    fn from(Reply { task, model_version, score_kind, unit, timings, outcomes }: Reply) -> Self {
        let results = outcomes.into_iter().map(Into::into).collect();
        Self { task, model_version, score_kind, unit, timings, results }
    }
}

impl From<Reply> for pb::PredictAnytimeResponse {
    fn from(Reply { task, model_version, score_kind, unit, timings, outcomes }: Reply) -> Self {
        let results = outcomes.into_iter().map(Into::into).collect();
        Self { task, model_version, score_kind, unit, timings, results }
    }
}
