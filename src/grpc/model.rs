//! The model service.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use crate::domain::{ModelVersion, PromotionId, TaskName};
use crate::grpc::task::{found, task_name};
use crate::grpc::upload::{self, CheckpointCheck};
use crate::grpc::{StoreAccess, paging, status};
use crate::pb::model_service_server::ModelService;
use crate::pb::{self, version_id};
use crate::serving;
use crate::store::{NewVersion, Promoted, RolledBack, Store, VersionInserted};

/// Imports that are under way at most; each may hold a checkpoint in memory.
const MAX_IMPORTS: usize = 4;

/// Keeps model versions, and which is champion.
#[derive(Clone)]
pub(in crate::grpc) struct Models {
    store: StoreAccess,
    check: CheckpointCheck,
    imports: Arc<Semaphore>,
}

impl Models {
    pub fn new(store: StoreAccess, check: CheckpointCheck) -> Self {
        Self { store, check, imports: Arc::new(Semaphore::new(MAX_IMPORTS)) }
    }
}

#[tonic::async_trait]
impl ModelService for Models {
    type ExportCheckpointStream = BoxStream<pb::ExportCheckpointResponse>;

    #[tracing::instrument(name = "rpc.list_model_versions", skip_all, fields(task = request.get_ref().task))]
    async fn list_model_versions(
        &self,
        request: Request<pb::ListModelVersionsRequest>,
    ) -> Result<Response<pb::ListModelVersionsResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let page_size = paging::page_size(request.page_size)?;
        let after = paging::version_before(&request.page_token)?;
        let entries = self.store.get()?.versions_page(&task, after.as_ref(), page_size + 1).await?;
        let (page, next_page_token) = paging::cut(entries, page_size, |last| last.id.to_string());
        let versions = page.iter().map(Into::into).collect();
        Ok(Response::new(pb::ListModelVersionsResponse { versions, next_page_token }))
    }

    #[tracing::instrument(name = "rpc.get_model_version", skip_all, fields(task = request.get_ref().task))]
    async fn get_model_version(
        &self,
        request: Request<pb::GetModelVersionRequest>,
    ) -> Result<Response<pb::GetModelVersionResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let version = version_or_champion(&self.store.get()?, &task, &request.version).await?;
        Ok(Response::new(pb::GetModelVersionResponse { version: Some((&version).into()) }))
    }

    #[tracing::instrument(name = "rpc.promote_model_version", skip_all, fields(task = request.get_ref().task))]
    async fn promote_model_version(
        &self,
        request: Request<pb::PromoteModelVersionRequest>,
    ) -> Result<Response<pb::PromoteModelVersionResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let asked = request.decode()?;
        let (store, expected) = (self.store.get()?, asked.expected.as_ref());
        match store.champion_promote(&task, expected, &asked.version, &asked.who, &asked.why).await? {
            Promoted::Now(promotion) => {
                self.store.changed();
                let promotion = Some((&promotion).into());
                Ok(Response::new(pb::PromoteModelVersionResponse { promotion }))
            }
            Promoted::Already => Ok(Response::new(pb::PromoteModelVersionResponse { promotion: None })),
            Promoted::ChampionIs(champion) => Err(status::other_champion(&task, champion.as_ref())),
            Promoted::UnknownVersion => Err(status::unknown_version(&task, &asked.version)),
            Promoted::NotKept => Err(status::checkpoint_dropped(&task, &asked.version)),
        }
    }

    #[tracing::instrument(name = "rpc.rollback_model_version", skip_all, fields(task = request.get_ref().task))]
    async fn rollback_model_version(
        &self,
        request: Request<pb::RollbackModelVersionRequest>,
    ) -> Result<Response<pb::RollbackModelVersionResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let asked = request.decode()?;
        let store = self.store.get()?;
        match store.champion_rollback(&task, &asked.expected, &asked.who, &asked.why).await? {
            RolledBack::To(promotion) => {
                self.store.changed();
                let promotion = Some((&promotion).into());
                Ok(Response::new(pb::RollbackModelVersionResponse { promotion }))
            }
            RolledBack::ChampionIs(champion) => Err(status::other_champion(&task, champion.as_ref())),
            RolledBack::NoPrevious => Err(status::no_previous_champion(&task, &asked.expected)),
        }
    }

    #[tracing::instrument(name = "rpc.resume_promotion", skip_all, fields(task = request.get_ref().task))]
    async fn resume_promotion(
        &self,
        request: Request<pb::ResumePromotionRequest>,
    ) -> Result<Response<pb::ResumePromotionResponse>, Status> {
        let task = task_name("task", &request.into_inner().task)?;
        let stored = found(self.store.get()?.promotion_resume(&task).await?, &task)?;
        Ok(Response::new(pb::ResumePromotionResponse { task: Some((&stored).into()) }))
    }

    #[tracing::instrument(name = "rpc.list_promotions", skip_all, fields(task = request.get_ref().task))]
    async fn list_promotions(
        &self,
        request: Request<pb::ListPromotionsRequest>,
    ) -> Result<Response<pb::ListPromotionsResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let page_size = paging::page_size(request.page_size)?;
        let after = paging::number_before(&request.page_token)?.map(PromotionId);
        let entries = self.store.get()?.promotions_page(&task, after, page_size + 1).await?;
        let (page, next_page_token) = paging::cut(entries, page_size, |last| last.id.to_string());
        let promotions = page.iter().map(Into::into).collect();
        Ok(Response::new(pb::ListPromotionsResponse { promotions, next_page_token }))
    }

    #[tracing::instrument(name = "rpc.import_checkpoint", skip_all)]
    async fn import_checkpoint(
        &self,
        request: Request<Streaming<pb::ImportCheckpointRequest>>,
    ) -> Result<Response<pb::ImportCheckpointResponse>, Status> {
        let _permit = self.imports.try_acquire().map_err(|_| status::too_many_imports(MAX_IMPORTS))?;
        let mut stream = request.into_inner();
        let (task, announced) = upload::begin(&mut stream).await?;
        let store = self.store.get()?;
        let stored = found(store.task_by_name(&task).await?, &task)?;
        let checkpoint = upload::receive(&mut stream, announced).await?;
        let (checkpoint, report) = upload::check(&self.check, stored.task, announced, checkpoint).await?;
        let version = NewVersion { checkpoint, report, decision: None };
        let (version, is_new) = match store.version_insert(&task, &version).await? {
            VersionInserted::New(version) => (version, true),
            VersionInserted::Same(version) => (version, false),
        };
        Ok(Response::new(pb::ImportCheckpointResponse { version: Some((&version).into()), is_new }))
    }

    #[tracing::instrument(name = "rpc.export_checkpoint", skip_all, fields(task = request.get_ref().task))]
    async fn export_checkpoint(
        &self,
        request: Request<pb::ExportCheckpointRequest>,
    ) -> Result<Response<Self::ExportCheckpointStream>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let store = self.store.get()?;
        let version = version_or_champion(&store, &task, &request.version).await?.id;
        let checkpoint = store.checkpoint_of(&task, &version).await?;
        let checkpoint = checkpoint.ok_or_else(|| status::checkpoint_dropped(&task, &version))?;
        let parts = pb::ExportCheckpointResponse::parts(&version, checkpoint);
        Ok(Response::new(stream::iter(parts.map(Ok)).boxed()))
    }
}

/// The version of that name, or the champion where there is none.
async fn version_or_champion(store: &Store, task: &TaskName, name: &str) -> Result<ModelVersion, Status> {
    let (version, missing) = match name {
        "" => (store.champion_of(task).await?, serving::Error::NoModel { task: task.clone() }.into()),
        name => {
            let version = version_id("version", name)?;
            let missing = status::unknown_version(task, &version);
            (Some(version), missing)
        }
    };
    if let Some(version) = version
        && let Some(version) = store.version_by_id(task, &version).await?
    {
        return Ok(version);
    }
    found(store.task_by_name(task).await?, task)?;
    Err(missing)
}
