//! Reflection, so that clients need no protobuf files: v1, and v1alpha for older tools.

use tonic::service::RoutesBuilder;
use tonic_reflection::server::Builder;

use crate::pb;

pub use tonic_reflection::server::Error;

/// All that is served, and the types that only occur inside an `Any`, as the details of errors.
const FILE_DESCRIPTOR_SETS: [&[u8]; 5] = [
    pb::FILE_DESCRIPTOR_SET,
    tonic_types::pb::FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// Adds both versions of the reflection service.
///
/// # Errors
/// When a descriptor set cannot be read.
pub(in crate::grpc) fn add_to(routes: &mut RoutesBuilder) -> Result<(), Error> {
    let builder = || {
        FILE_DESCRIPTOR_SETS
            .into_iter()
            .fold(Builder::configure(), Builder::register_encoded_file_descriptor_set)
    };
    routes.add_service(builder().build_v1()?).add_service(builder().build_v1alpha()?);
    Ok(())
}
