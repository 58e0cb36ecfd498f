//! Whether the services are ready, in the standard health protocol.

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::domain::TaskName;
use crate::grpc::model::Models;
use crate::grpc::observation::Observations;
use crate::grpc::predictor::Predictor;
use crate::grpc::search_space::SearchSpaces;
use crate::grpc::task::Tasks;
use crate::grpc::training::Trainings;
use crate::pb::model_service_server::ModelServiceServer;
use crate::pb::observation_service_server::ObservationServiceServer;
use crate::pb::predictor_service_server::PredictorServiceServer;
use crate::pb::search_space_service_server::SearchSpaceServiceServer;
use crate::pb::task_service_server::TaskServiceServer;
use crate::pb::training_service_server::TrainingServiceServer;

/// The services that report their health; the empty name is the server as a whole.
const SERVICES: [&str; 7] = [
    "",
    <ModelServiceServer<Models> as NamedService>::NAME,
    <ObservationServiceServer<Observations> as NamedService>::NAME,
    <PredictorServiceServer<Predictor> as NamedService>::NAME,
    <SearchSpaceServiceServer<SearchSpaces> as NamedService>::NAME,
    <TaskServiceServer<Tasks> as NamedService>::NAME,
    <TrainingServiceServer<Trainings> as NamedService>::NAME,
];

/// Named by who only asks whether the process still answers: it serves while the server listens, when nothing else
/// may do so yet too.
const LIVE: &str = "live";

/// What the server reports of its services.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// No service is ready yet.
    pub async fn starting() -> Self {
        let health = Self { reporter: HealthReporter::new() };
        health.set(ServingStatus::NotServing).await;
        health.reporter.set_service_status(LIVE, ServingStatus::Serving).await;
        health
    }

    /// Every service is ready.
    pub async fn ready(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Whether a task is answered by its champion, for those who ask for `tasks/NAME`.
    pub async fn task(&self, task: &TaskName, is_served: bool) {
        let status = if is_served { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(format!("tasks/{task}"), status).await;
    }

    /// No service takes calls any more. Whoever watches is told so, and let go.
    pub async fn stopping(&mut self) {
        self.set(ServingStatus::NotServing).await;
        for service in SERVICES.into_iter().chain([LIVE]) {
            self.reporter.clear_service_status(service).await;
        }
    }

    pub(in crate::grpc) fn service(&self) -> HealthServer<HealthService> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    async fn set(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
