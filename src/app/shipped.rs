//! The checkpoint this binary carries, so that it answers on an empty machine.

use anyhow::Context;

use crate::model::Checkpoint;

/// Of the task [`nasbench201-cifar10`](crate::domain::Task::nasbench201_cifar10). The README says how
/// it was trained.
static NASBENCH201_CIFAR10: &[u8] = include_bytes!("../../checkpoints/nasbench201-cifar10.safetensors");

/// The shipped checkpoint.
///
/// # Errors
/// When the binary was built with a file that is no checkpoint.
pub fn checkpoint() -> anyhow::Result<Checkpoint> {
    Checkpoint::from_bytes(NASBENCH201_CIFAR10).context("the shipped checkpoint is unusable")
}
