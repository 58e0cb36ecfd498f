//! The training service.

use futures_util::{StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use crate::domain::{RunId, TrainingRun};
use crate::grpc::request_key::request_key;
use crate::grpc::task::{found, task_name};
use crate::grpc::{StoreAccess, paging, status, watch};
use crate::pb::training_service_server::TrainingService;
use crate::pb::{self, WireError};
use crate::store::{Enqueued, Store};

/// Why a run was started that a client asked for.
const REQUESTED: &str = "requested";

/// Keeps training runs.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Trainings {
    store: StoreAccess,
    /// Ends the streams of those who watch.
    stop: CancellationToken,
}

impl Trainings {
    pub fn new(store: StoreAccess, stop: CancellationToken) -> Self {
        Self { store, stop }
    }
}

#[tonic::async_trait]
impl TrainingService for Trainings {
    type WatchTrainingRunStream = BoxStream<pb::WatchTrainingRunResponse>;

    #[tracing::instrument(name = "rpc.start_training_run", skip_all, fields(task = request.get_ref().task))]
    async fn start_training_run(
        &self,
        request: Request<pb::StartTrainingRunRequest>,
    ) -> Result<Response<pb::StartTrainingRunResponse>, Status> {
        let mut request = request.into_inner();
        let key = request_key(std::mem::take(&mut request.request_id), &request)?;
        let task = task_name("task", &request.task)?;
        match self.store.get()?.run_enqueue(&task, REQUESTED, key.as_ref()).await? {
            Enqueued::New(run) => {
                Ok(Response::new(pb::StartTrainingRunResponse { run: Some((&run).into()) }))
            }
            Enqueued::AlreadyUnfinished(run) => Err(status::unfinished_run(&run)),
            Enqueued::RequestReused => {
                Err(WireError::new("request_id", "came before with something else").into())
            }
        }
    }

    #[tracing::instrument(name = "rpc.get_training_run", skip_all, fields(run = request.get_ref().run))]
    async fn get_training_run(
        &self,
        request: Request<pb::GetTrainingRunRequest>,
    ) -> Result<Response<pb::GetTrainingRunResponse>, Status> {
        let run = run_by_id(&self.store.get()?, RunId(request.get_ref().run)).await?;
        Ok(Response::new(pb::GetTrainingRunResponse { run: Some((&run).into()) }))
    }

    #[tracing::instrument(name = "rpc.list_training_runs", skip_all, fields(task = request.get_ref().task))]
    async fn list_training_runs(
        &self,
        request: Request<pb::ListTrainingRunsRequest>,
    ) -> Result<Response<pb::ListTrainingRunsResponse>, Status> {
        let request = request.into_inner();
        let task = match request.task.as_str() {
            "" => None,
            name => Some(task_name("task", name)?),
        };
        let page_size = paging::page_size(request.page_size)?;
        let after = paging::number_before(&request.page_token)?.map(RunId);
        let store = self.store.get()?;
        let entries = store.runs_page(task.as_ref(), after, page_size + 1).await?;
        if let (Some(task), true) = (&task, entries.is_empty()) {
            found(store.task_by_name(task).await?, task)?;
        }
        let (page, next_page_token) = paging::cut(entries, page_size, |last| last.id.to_string());
        let runs = page.iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTrainingRunsResponse { runs, next_page_token }))
    }

    #[tracing::instrument(name = "rpc.watch_training_run", skip_all, fields(run = request.get_ref().run))]
    async fn watch_training_run(
        &self,
        request: Request<pb::WatchTrainingRunRequest>,
    ) -> Result<Response<Self::WatchTrainingRunStream>, Status> {
        let store = self.store.get()?;
        let run = run_by_id(&store, RunId(request.get_ref().run)).await?;
        let runs = watch::follow(store, run, self.stop.clone());
        let responses = runs.map_ok(|run| pb::WatchTrainingRunResponse { run: Some((&run).into()) });
        Ok(Response::new(responses.boxed()))
    }

    #[tracing::instrument(name = "rpc.cancel_training_run", skip_all, fields(run = request.get_ref().run))]
    async fn cancel_training_run(
        &self,
        request: Request<pb::CancelTrainingRunRequest>,
    ) -> Result<Response<pb::CancelTrainingRunResponse>, Status> {
        let id = RunId(request.get_ref().run);
        let run = self.store.get()?.run_cancel(id).await?.ok_or_else(|| unknown(id))?;
        Ok(Response::new(pb::CancelTrainingRunResponse { run: Some((&run).into()) }))
    }
}

async fn run_by_id(store: &Store, run: RunId) -> Result<TrainingRun, Status> {
    store.run_by_id(run).await?.ok_or_else(|| unknown(run))
}

fn unknown(run: RunId) -> Status {
    status::not_found("training run", &run.to_string())
}
