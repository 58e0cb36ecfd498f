//! Search spaces and the architectures in them: graphs, operations, notations, parameters and
//! FLOPs, validation, canonical ids, sampling, drawings.
//!
//! This room knows nothing of tensors, tasks, storage or the wire. A space is data (a
//! [`SearchSpace`] read from TOML); what data cannot say is code that the data names: how
//! architectures are written (`notation`) and which network the cells are stacked into
//! (`skeleton`).

mod architecture;
mod canonical;
mod definition;
mod drawing;
mod graph;
mod liveness;
mod notation;
mod registry;
mod saliencies;
mod sampling;
mod skeleton;
mod wiring;

pub use architecture::{Architecture, Cell, Edge, OperationIndex};
pub use canonical::{Canonical, CanonicalId, Form, Instance, Label, Representative, Vertex};
pub use definition::{
    CellShape, DeadNodes, Definition, DefinitionError, Join, MAX_NAME_BYTES, Operation, OutputEdges, PerNode,
    Placement, ReadOut, Role, SearchSpace, Wiring,
};
pub use graph::GraphError;
pub use liveness::Liveness;
pub use notation::ParseError;
pub use registry::{builtin, builtins, darts, enas, nasbench101, nasbench201};
pub use saliencies::{Saliencies, SaliencyError, SaliencyOrigin};
pub use skeleton::{Cost, Skeleton, module_channels};
