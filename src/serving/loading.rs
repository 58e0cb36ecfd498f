//! From a checkpoint to a version that answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use candle_core::Device;

use crate::domain::{ModelVersionId, Task};
use crate::model::{Checkpoint, Input, Model};
use crate::serving::{LoadError, Target, Version, WarmUpError};
use crate::space::{Architecture, Saliencies};

/// Loads a checkpoint as the version that answers for `task`, and lets it answer once, so that the first
/// caller waits no longer than the others. Computes: not for an async thread.
///
/// # Errors
/// When the checkpoint is no model of the task's space and unit, or does not answer.
pub fn load(task: Task, checkpoint: &Checkpoint, device: &Device) -> Result<Target, LoadError> {
    let found = &checkpoint.header().space;
    if *found != task.space.name {
        let (found, expected) = (found.clone(), task.space.name.clone());
        return Err(LoadError::OtherSpace { found, task: task.name, expected });
    }
    let model = Model::load(checkpoint, device)
        .map_err(|source| LoadError::Checkpoint { task: task.name.clone(), source })?;
    if *model.space() != task.space {
        let (found, expected) = (format!("{found}, defined otherwise"), task.space.name.clone());
        return Err(LoadError::OtherSpace { found, task: task.name, expected });
    }
    if let Some(range) = model.valid_range()
        && range != task.unit.valid_range().into_inner()
    {
        return Err(LoadError::OtherUnit { range, task: task.name, unit: task.unit });
    }
    let warm_up = warm_up(&model).map_err(|source| LoadError::WarmUp { task: task.name.clone(), source })?;
    let version = Version::new(ModelVersionId::of_digest(&checkpoint.digest()), Arc::new(model));
    tracing::info!(task = %task.name, version = %version.id, ?warm_up, "model is loaded");
    Ok(Target { task: Arc::new(task), version: Arc::new(version) })
}

/// Has the model score an arbitrary architecture, for the second time when it is timed: the first one
/// also pays for what the device sets up. A space may be so narrow that none is found at random.
fn warm_up(model: &Model) -> Result<Duration, WarmUpError> {
    let architectures = model.space().sample(1, 0);
    let n_metrics = model.header().model.n_metrics();
    let zeros = |architecture: &Architecture| {
        let n_places = architecture.n_places();
        let zeros = |n_metrics: usize| Saliencies::new(n_metrics, vec![0.0; n_metrics * n_places]);
        n_metrics.map(|n_metrics| zeros(n_metrics).expect("zeros in whole rows are saliencies"))
    };
    let saliencies: Vec<Option<Saliencies>> = architectures.iter().map(zeros).collect();
    let inputs: Vec<Input<'_>> = (architectures.iter().zip(&saliencies))
        .map(|(architecture, saliencies)| Input { architecture, saliencies: saliencies.as_ref() })
        .collect();
    model.scores(&inputs)?;
    let started = Instant::now();
    let scores = model.scores(&inputs)?;
    if scores.iter().flatten().all(|score| score.is_finite()) {
        Ok(started.elapsed())
    } else {
        Err(WarmUpError::NotFinite)
    }
}
