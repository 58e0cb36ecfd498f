//! The wire: generated protobuf types, clients and servers of `proto/tagates/v1`, and their
//! conversions from and to the values of [`crate::space`] and [`crate::domain`].
//!
//! This room knows what a field is called and what may stand in it. It knows nothing of models,
//! queues or status codes.

mod candidate;
mod checkpoint;
mod error;
#[expect(
    clippy::pedantic,
    clippy::allow_attributes,
    reason = "generated from the protobuf files, which hold the documentation"
)]
mod generated {
    tonic::include_proto!("tagates.v1");
}

pub mod json;
mod policy;
mod prediction;
mod recording;
mod retraction;
mod run;
mod search_space;
mod task;
mod task_change;
mod time;
mod version;

pub use checkpoint::{Announced, digest_text};
pub use error::WireError;
pub use generated::*;
pub use prediction::Outcome;
pub use task_change::TaskChange;
pub use version::{PromotionRequest, RollbackRequest, version_id};

/// The descriptors of every file of ours and of all they import, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("tagates.v1");
