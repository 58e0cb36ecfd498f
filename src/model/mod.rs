//! The predictors on candle: layers, TA-GATES and GATES encoders, heads, configuration,
//! checkpoints.
//!
//! This room turns architectures into scores. It knows nothing of tasks, labels, storage, queues
//! or the wire.
