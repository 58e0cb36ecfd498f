//! `tagates` predicts how well a neural architecture would do, without training it.
//!
//! The rooms, and which may import which, are described in the README's Map and held by
//! `tests/rooms.rs`. Start reading at [`space`] (what an architecture is), then [`model`] (what
//! TA-GATES computes) and [`serving`] (how a request reaches it).

pub mod app;
pub mod background;
pub mod cli;
pub mod domain;
pub mod experiments;
pub mod fit;
pub mod grpc;
pub mod metrics;
pub mod model;
pub mod pb;
pub mod retraining;
pub mod serving;
pub mod space;
pub mod store;
pub mod zero_cost;
