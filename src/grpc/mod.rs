//! The gRPC services: decode, one call, encode. Which error becomes which status, deadlines, health
//! and reflection.
//!
//! This room knows nothing of tensors, batches or SQL.

mod config;
mod deadline;
mod drain;
mod health;
mod known_spaces;
mod model;
mod observation;
mod paging;
mod predictor;
mod recording;
mod reflection;
mod request_key;
mod search_space;
mod status;
mod store_access;
mod task;
mod training;
mod upload;
mod watch;

use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use config::Config;
pub use deadline::{Deadline, DeadlineLayer};
pub use drain::until_stopped;
pub use health::Health;
pub use reflection::Error as ReflectionError;
pub use store_access::StoreAccess;
pub use upload::{CheckpointCheck, MAX_CHECKPOINT_BYTES};

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
use crate::serving;

/// A request message is at most this large.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Every service of this server. Imported checkpoints are let in by `check`; streams to clients that would go on
/// end with `stop`.
///
/// # Errors
/// When reflection cannot read the descriptors that were compiled in.
pub fn routes(
    config: &Config,
    serving: serving::Handle,
    store: &StoreAccess,
    health: &Health,
    check: CheckpointCheck,
    stop: &CancellationToken,
) -> Result<Routes, ReflectionError> {
    let predictor = PredictorServiceServer::new(Predictor::new(serving.clone(), config.max_architectures));
    let search_spaces =
        SearchSpaceServiceServer::new(SearchSpaces::new(store.clone(), config.max_architectures));
    let tasks = TaskServiceServer::new(Tasks::new(store.clone(), serving));
    let observations = ObservationServiceServer::new(Observations::new(store.clone()));
    let trainings = TrainingServiceServer::new(Trainings::new(store.clone(), stop.clone()));
    let models = ModelServiceServer::new(Models::new(store.clone(), check));
    let mut routes = Routes::builder();
    routes
        .add_service(predictor.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(search_spaces.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(tasks.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(observations.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(trainings.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(models.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(health.service());
    reflection::add_to(&mut routes)?;
    Ok(routes.routes())
}
