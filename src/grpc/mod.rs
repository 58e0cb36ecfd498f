//! The gRPC services: decode, one call, encode. Which error becomes which status, deadlines, health
//! and reflection.
//!
//! This room knows nothing of tensors, batches or SQL.

mod config;
mod deadline;
mod drain;
mod health;
mod observation;
mod paging;
mod predictor;
mod recording;
mod reflection;
mod search_space;
mod status;
mod store_access;
mod task;

use tonic::service::Routes;

pub use config::Config;
pub use deadline::{Deadline, DeadlineLayer};
pub use drain::until_stopped;
pub use health::Health;
pub use reflection::Error as ReflectionError;
pub use store_access::StoreAccess;

use crate::grpc::observation::Observations;
use crate::grpc::predictor::Predictor;
use crate::grpc::search_space::SearchSpaces;
use crate::grpc::task::Tasks;
use crate::pb::observation_service_server::ObservationServiceServer;
use crate::pb::predictor_service_server::PredictorServiceServer;
use crate::pb::search_space_service_server::SearchSpaceServiceServer;
use crate::pb::task_service_server::TaskServiceServer;
use crate::serving;

/// A request message is at most this large.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Every service of this server.
///
/// # Errors
/// When reflection cannot read the descriptors that were compiled in.
pub fn routes(
    config: &Config,
    serving: serving::Handle,
    store: &StoreAccess,
    health: &Health,
) -> Result<Routes, ReflectionError> {
    let predictor = PredictorServiceServer::new(Predictor::new(serving, config.max_architectures));
    let search_spaces = SearchSpaceServiceServer::new(SearchSpaces::new(config.max_architectures));
    let tasks = TaskServiceServer::new(Tasks::new(store.clone()));
    let observations = ObservationServiceServer::new(Observations::new(store.clone()));
    let mut routes = Routes::builder();
    routes
        .add_service(predictor.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(search_spaces.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(tasks.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(observations.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(health.service());
    reflection::add_to(&mut routes)?;
    Ok(routes.routes())
}
