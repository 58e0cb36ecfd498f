//! The gRPC services: decode, one call, encode. Which error becomes which status, deadlines, health
//! and reflection.
//!
//! This room knows nothing of tensors, batches or storage.

mod config;
mod deadline;
mod drain;
mod health;
mod predictor;
mod reflection;
mod search_space;
mod status;

use tonic::service::Routes;

pub use config::Config;
pub use deadline::{Deadline, DeadlineLayer};
pub use drain::until_stopped;
pub use health::Health;
pub use reflection::Error as ReflectionError;

use crate::grpc::predictor::Predictor;
use crate::grpc::search_space::SearchSpaces;
use crate::pb::predictor_service_server::PredictorServiceServer;
use crate::pb::search_space_service_server::SearchSpaceServiceServer;
use crate::serving;

/// A request message is at most this large.
pub const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// Every service of this server.
///
/// # Errors
/// When reflection cannot read the descriptors that were compiled in.
pub fn routes(config: &Config, serving: serving::Handle, health: &Health) -> Result<Routes, ReflectionError> {
    let predictor = Predictor::new(serving, config.max_architectures);
    let search_spaces = SearchSpaces::new(config.max_architectures);
    let mut routes = Routes::builder();
    routes
        .add_service(PredictorServiceServer::new(predictor).max_decoding_message_size(MAX_MESSAGE_BYTES))
        .add_service(
            SearchSpaceServiceServer::new(search_spaces).max_decoding_message_size(MAX_MESSAGE_BYTES),
        )
        .add_service(health.service());
    reflection::add_to(&mut routes)?;
    Ok(routes.routes())
}
