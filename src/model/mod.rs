//! The predictors on candle: layers, TA-GATES and other encoders, heads, configuration,
//! checkpoints.
//!
//! This room turns architectures into scores. It knows nothing of tasks, labels, storage, queues
//! or the wire.

mod activation;
mod bias;
mod calibration;
mod checkpoint;
mod config;
pub mod constants;
mod cpu_rows;
mod device;
mod encoder;
mod features;
mod initial;
mod input;
mod layers;
mod naming;
mod network;
mod published;
mod seen;
mod statistics;
pub(crate) mod tensor_file;
mod threads;
mod trained;

pub use calibration::{Calibration, CalibrationError};
pub use checkpoint::{
    Checkpoint, CheckpointError, FORMAT_VERSION, Header, HoldoutRule, MAX_MEMBERS, MAX_SIZE_BYTES, Member,
    StepHead, read_bounded,
};
pub use config::{
    ConfigError, Encoder, Encodes, GcnConfig, Heads, LstmConfig, MAX_STEPS, MlpConfig, ModelConfig,
    OtherNode, PredictorKind, SaliencyScale, SymmetryBreaking, TaGatesConfig, UpdateInput, UpdateMask,
};
pub use device::{DeviceChoice, NoGpu, Opened, UnknownDevice, check_answer, for_another_thread};
pub use encoder::{Noise, Padding, one_hot, rows_at};
pub use features::Features;
pub use initial::Variables;
pub use input::{Input, InputError};
pub use layers::{Dropout, NoDropout};
pub use network::Network;
pub use seen::{SeenClasses, SeenClassesError};
pub use statistics::training_statistics;
pub use threads::{SINGLE_THREADED, scores_in_parallel};
pub use trained::{Error, Model};
