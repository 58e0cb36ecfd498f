//! Zero-cost saliencies: the real network of an architecture on candle, as its benchmark builds it, and what one
//! mini-batch and its gradients say of each operation before anything is trained.
//!
//! This room knows nothing of tasks, labels that were measured, predictors, storage or the wire. A network computes on
//! the calling thread, or a GPU; networks go side by side.

mod batch;
mod error;
mod images;
mod layers;
mod measure;
mod measurer;
mod metric;
mod network;
mod proxies;
mod proxy;
mod side_by_side;

pub use error::Error;
pub use images::{Images, ImagesError};
pub use measure::Measured;
pub use measurer::Measurer;
pub use metric::Metric;
pub use network::check_space;
pub use proxies::{Config, NamedProxy, Proxies};
pub use proxy::{Proxy, ProxyError, Size};
pub use side_by_side::{STACK_SIZE_BYTES, side_by_side};
