//! The task service.

use tonic::{Request, Response, Status};

use crate::domain::{SaliencyProxy, StoredTask, TaskName};
use crate::grpc::known_spaces::KnownSpaces;
use crate::grpc::request_key::request_key;
use crate::grpc::{StoreAccess, paging, status};
use crate::pb::task_service_server::TaskService;
use crate::pb::{self, TaskChange, WireError};
use crate::serving;
use crate::space::SearchSpace;
use crate::store::TaskInserted;

/// Keeps tasks.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Tasks {
    store: StoreAccess,
    known_spaces: KnownSpaces,
    serving: serving::Handle,
}

impl Tasks {
    pub fn new(store: StoreAccess, serving: serving::Handle) -> Self {
        Self { known_spaces: KnownSpaces::new(store.clone()), store, serving }
    }

    /// Checks that saliencies of the space can be measured as a task is to have it, where it is.
    async fn check(&self, space: &SearchSpace, proxy: Option<&SaliencyProxy>) -> Result<(), WireError> {
        let Some(proxy) = proxy else { return Ok(()) };
        let wrong = |reason: String| WireError::new("task.saliency_proxy", reason);
        let saliencies = self.serving.saliencies().ok_or_else(|| wrong("nothing is measured here".into()))?;
        let checked = saliencies.check(space, proxy).await;
        checked.map_err(|error| wrong(format!("{:#}", anyhow::Error::from(error))))
    }
}

#[tonic::async_trait]
impl TaskService for Tasks {
    #[tracing::instrument(name = "rpc.create_task", skip_all)]
    async fn create_task(
        &self,
        request: Request<pb::CreateTaskRequest>,
    ) -> Result<Response<pb::CreateTaskResponse>, Status> {
        let request = request.into_inner();
        let message = request.task.unwrap_or_default();
        let key = request_key(request.request_id, &message)?;
        task_name("task.name", &message.name)?;
        let Some(space) = self.known_spaces.named(&message.search_space).await? else {
            let reason = self.known_spaces.unknown(&message.search_space).await?;
            return Err(WireError::new("task.search_space", reason).into());
        };
        let (task, settings) = message.decode(space).map_err(|error| error.within("task"))?;
        self.check(&task.space, settings.saliency_proxy.as_ref()).await?;
        match self.store.get()?.task_insert(&task, settings, key.as_ref()).await? {
            TaskInserted::Created(stored) => {
                self.store.changed();
                Ok(Response::new(pb::CreateTaskResponse { task: Some((&stored).into()) }))
            }
            TaskInserted::NameTaken => Err(status::already_exists("task", task.name.as_str())),
            TaskInserted::RequestReused => {
                Err(WireError::new("request_id", "came before with another task").into())
            }
        }
    }

    #[tracing::instrument(name = "rpc.get_task", skip_all)]
    async fn get_task(
        &self,
        request: Request<pb::GetTaskRequest>,
    ) -> Result<Response<pb::GetTaskResponse>, Status> {
        let name = task_name("name", &request.into_inner().name)?;
        let stored = found(self.store.get()?.task_by_name(&name).await?, &name)?;
        Ok(Response::new(pb::GetTaskResponse { task: Some((&stored).into()) }))
    }

    #[tracing::instrument(name = "rpc.list_tasks", skip_all)]
    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        let request = request.into_inner();
        let page_size = paging::page_size(request.page_size)?;
        let after = paging::task_before(&request.page_token)?;
        let store = self.store.get()?;
        let entries = store.tasks_page(after.as_ref(), page_size + 1, request.with_archived).await?;
        let (tasks, next_page_token) = paging::cut(entries, page_size, |last| last.task.name.to_string());
        let tasks = tasks.iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTasksResponse { tasks, next_page_token }))
    }

    #[tracing::instrument(name = "rpc.update_task", skip_all)]
    async fn update_task(
        &self,
        request: Request<pb::UpdateTaskRequest>,
    ) -> Result<Response<pb::UpdateTaskResponse>, Status> {
        let request = request.into_inner();
        let task = request.task.unwrap_or_default();
        let name = task_name("task.name", &task.name)?;
        let change = TaskChange::decode(task, request.update_mask)?;
        let store = self.store.get()?;
        if change.saliency_proxy().is_some() {
            let stored = found(store.task_by_name(&name).await?, &name)?;
            self.check(&stored.task.space, change.saliency_proxy()).await?;
        }
        let updated = store.task_update(&name, |settings| change.apply(settings)).await?;
        let stored = found(updated, &name)?;
        self.store.changed();
        Ok(Response::new(pb::UpdateTaskResponse { task: Some((&stored).into()) }))
    }

    #[tracing::instrument(name = "rpc.archive_task", skip_all)]
    async fn archive_task(
        &self,
        request: Request<pb::ArchiveTaskRequest>,
    ) -> Result<Response<pb::ArchiveTaskResponse>, Status> {
        let name = task_name("name", &request.into_inner().name)?;
        let stored = found(self.store.get()?.task_archive(&name).await?, &name)?;
        self.store.changed();
        Ok(Response::new(pb::ArchiveTaskResponse { task: Some((&stored).into()) }))
    }
}

/// The task's name in the field of that name.
pub(in crate::grpc) fn task_name(field: &str, name: &str) -> Result<TaskName, WireError> {
    TaskName::new(name).map_err(|error| WireError::new(field, error))
}

/// The task that was looked for.
pub(in crate::grpc) fn found(task: Option<StoredTask>, name: &TaskName) -> Result<StoredTask, Status> {
    task.ok_or_else(|| status::not_found("task", name.as_str()))
}
