//! Search spaces and the architectures in them: graphs, operations, notations, parameters and
//! FLOPs, validation, canonical ids, sampling.
//!
//! This room knows nothing of tensors, tasks, storage or the wire.

mod architecture;
mod definition;
pub mod nasbench201;
mod saliencies;

pub use architecture::{Architecture, Cell, Edge, OperationIndex};
pub use definition::{CellShape, Operation, Placement, Role, SearchSpace};
pub use saliencies::Saliencies;
