//! The checkpoint this binary carries, so that it answers on an empty machine.

use std::path::Path;

use anyhow::Context;

use crate::model::Checkpoint;

/// Of the task [`nasbench201-cifar10`](crate::domain::Task::nasbench201_cifar10). The README says how
/// it was trained.
static NASBENCH201_CIFAR10: &[u8] = include_bytes!("../../checkpoints/nasbench201-cifar10.safetensors");

/// The checkpoint at `path`, the shipped one where none is named.
///
/// # Errors
/// When it cannot be read or is no checkpoint.
pub fn checkpoint_or(path: Option<&Path>) -> anyhow::Result<Checkpoint> {
    match path {
        Some(path) => Checkpoint::read(path).with_context(|| format!("checkpoint {}", path.display())),
        None => checkpoint(),
    }
}

/// The shipped checkpoint.
///
/// # Errors
/// When the binary was built with a file that is no checkpoint.
pub fn checkpoint() -> anyhow::Result<Checkpoint> {
    Checkpoint::from_bytes(NASBENCH201_CIFAR10).context("the shipped checkpoint is unusable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Budget, Task};
    use crate::space::nasbench201;

    #[test]
    fn it_is_of_its_task_small_calibrated_and_has_seen_nothing_of_the_holdout() {
        let (checkpoint, task) = (checkpoint().expect("a checkpoint"), Task::nasbench201_cifar10());
        let header = checkpoint.header();
        assert!(checkpoint.as_bytes().len() < 2_000_000);
        assert_eq!(header.task.as_deref(), Some(task.name.as_str()));
        let budgets: Option<Vec<Budget>> = header.steps.iter().map(|head| head.budget.map(Budget)).collect();
        assert_eq!(budgets, Some(task.budgets));
        assert!(header.steps.iter().all(|head| head.calibration.is_some()));

        let rule = header.holdout.as_ref().expect("a rule");
        assert_eq!((rule.salt.as_str(), rule.share), (task.holdout.salt(), task.holdout.share()));
        let (mut n_seen, mut n_kept_back) = (0, 0);
        for architecture in nasbench201().enumerate().expect("a finite space") {
            let class = architecture.canonical().id;
            let (is_seen, is_kept_back) = (header.trained_on.contains(&class), task.holdout.contains(&class));
            assert!(!(is_seen && is_kept_back), "{architecture}");
            n_seen += usize::from(is_seen);
            n_kept_back += usize::from(is_kept_back);
        }
        assert!(n_seen > 6_000 && n_kept_back > 1_000, "{n_seen}, {n_kept_back}");
    }
}
