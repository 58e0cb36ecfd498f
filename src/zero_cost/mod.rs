//! Zero-cost saliencies: the real network of an architecture on candle, as its benchmark builds it, and what one
//! mini-batch and its gradients say of each operation before anything is trained.
//!
//! This room knows nothing of tasks, labels that were measured, predictors, storage or the wire. A network computes on
//! the calling thread; networks go side by side.

mod batch;
mod error;
mod layers;
mod measure;
mod metric;
mod network;
mod proxy;

pub use error::Error;
pub use measure::{Measured, measure};
pub use metric::Metric;
pub use network::check_space;
pub use proxy::{Proxy, ProxyError, Size};
