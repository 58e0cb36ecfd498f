//! Which checkpoints that somebody sends are let in: those that could answer at once.

use std::sync::Arc;

use anyhow::Context;
use candle_core::Device;
use serde_json::Value;

use crate::domain::Task;
use crate::grpc::{self, CheckpointCheck};
use crate::model::{self, Checkpoint};
use crate::serving;

const _: () = assert!(grpc::MAX_CHECKPOINT_BYTES == model::MAX_SIZE_BYTES);

/// Has a checkpoint loaded as if it were to be served.
pub(in crate::app) fn check(device: Device) -> CheckpointCheck {
    Arc::new(move |task, bytes| report(task, bytes, &device).map_err(|error| format!("{error:#}")))
}

/// What the checkpoint reports of itself.
fn report(task: &Task, bytes: &[u8], device: &Device) -> anyhow::Result<Option<Value>> {
    let checkpoint = Checkpoint::from_bytes(bytes).context("it is no checkpoint")?;
    serving::load(task.clone(), &checkpoint, device)?;
    let report = &checkpoint.header().report;
    Ok((!report.is_null()).then(|| report.clone()))
}
