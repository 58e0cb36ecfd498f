//! The thread that owns the models.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use candle_core::Device;
use tokio::sync::oneshot;

use crate::domain::{ModelVersionId, Prediction, StepPrediction, Task};
use crate::model::{self, Checkpoint, Input, Model};
use crate::serving::catalog::Catalog;
use crate::serving::job::{Job, Scored};
use crate::serving::queue::Queue;
use crate::serving::schedule::Schedule;
use crate::serving::{CandidateError, Config, Error, Handle, StartError, Target, Version, WarmUpError};
use crate::space::Saliencies;

/// A task and the checkpoint that answers for it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The task.
    pub task: Task,
    /// Its model.
    pub checkpoint: Checkpoint,
}

/// The model thread did not end by itself; its log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model thread panicked")]
pub struct ThreadPanicked;

/// The model thread. Dropping it lets the thread finish what is queued, then end.
#[derive(Debug)]
pub struct Worker {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    ended: oneshot::Receiver<()>,
}

/// Starts the model thread: loads every model on `device` and lets it answer once, so that the first
/// caller waits no longer than the others.
///
/// # Errors
/// When a checkpoint is no model of its task's space, or a model does not answer.
pub async fn start(
    config: &Config,
    served: Vec<Served>,
    device: Device,
) -> Result<(Handle, Worker), StartError> {
    let max_batch = config.max_batch.get();
    let queue = Arc::new(Queue::new(Schedule::new(config.queue_capacity.get(), max_batch)));
    let (ready, is_ready) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("model".to_owned()).spawn({
        let ending = Ending { queue: queue.clone(), _end: end };
        move || run(served, &device, &ending.queue, ready)
    })?;
    let worker = Worker { queue: queue.clone(), thread: Some(thread), ended };
    let catalog = is_ready.await.map_err(|_| StartError::ThreadEnded)??;
    Ok((Handle::new(catalog, queue, max_batch), worker))
}

impl Worker {
    /// Completes when the thread has ended, which before [`Self::stop`] means that it panicked.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: the sender is dropped.
        let _ = (&mut self.ended).await;
    }

    /// Lets the thread answer what is queued, and waits for it to end.
    ///
    /// # Errors
    /// When it panicked, and so may have left calls unanswered.
    pub async fn stop(mut self) -> Result<(), ThreadPanicked> {
        self.queue.close();
        self.ended().await;
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(ThreadPanicked),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Held by the thread: however it ends, nobody is left waiting for it.
struct Ending {
    queue: Arc<Queue>,
    /// Dropped to say that the thread has ended.
    _end: oneshot::Sender<()>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

fn run(
    served: Vec<Served>,
    device: &Device,
    queue: &Queue,
    ready: oneshot::Sender<Result<Catalog, StartError>>,
) {
    let mut versions = HashMap::new();
    let loaded = (served.into_iter())
        .map(|served| {
            let (target, model, warm_up) = load(served, device)?;
            queue.record_pace(warm_up, 1);
            versions.insert(target.version.id.clone(), model);
            Ok(target)
        })
        .collect();
    let is_loaded = Result::is_ok(&loaded);
    if ready.send(loaded).is_err() || !is_loaded {
        return;
    }
    while let Some(batch) = queue.next() {
        answer(batch, &versions, queue);
    }
}

/// Loads a model and lets it answer once; returns also how long that answer took.
fn load(served: Served, device: &Device) -> Result<(Target, Model, Duration), StartError> {
    let Served { task, checkpoint } = served;
    let found = &checkpoint.header().space;
    if *found != task.space.name {
        let (found, expected) = (found.clone(), task.space.name.clone());
        return Err(StartError::OtherSpace { found, task: task.name, expected });
    }
    let model = Model::load(&checkpoint, device)
        .map_err(|source| StartError::Load { task: task.name.clone(), source })?;
    if let Some(range) = model.valid_range()
        && range != task.unit.valid_range().into_inner()
    {
        return Err(StartError::OtherUnit { range, task: task.name, unit: task.unit });
    }
    let warm_up = warm_up(&model).map_err(|source| StartError::WarmUp { task: task.name.clone(), source })?;
    let version = Version::of(&model, ModelVersionId::of_digest(&checkpoint.digest()));
    tracing::info!(task = %task.name, version = %version.id, ?warm_up, "model is loaded");
    Ok((Target { task: Arc::new(task), version: Arc::new(version) }, model, warm_up))
}

/// Has the model score an arbitrary architecture, for the second time when it is timed: the first one
/// also pays for what the device sets up.
fn warm_up(model: &Model) -> Result<Duration, WarmUpError> {
    let architectures = model.space().sample(1, 0);
    let saliencies = model.header().model.symmetry_breaking.n_metrics().map(|n_metrics| {
        let n_values = n_metrics * architectures[0].operations().count();
        Saliencies::new(n_metrics, vec![0.0; n_values]).expect("zeros in whole rows are saliencies")
    });
    let inputs = [Input { architecture: &architectures[0], saliencies: saliencies.as_ref() }];
    model.scores(&inputs)?;
    let started = Instant::now();
    let scores = model.scores(&inputs)?;
    if scores.iter().flatten().all(|score| score.is_finite()) {
        Ok(started.elapsed())
    } else {
        Err(WarmUpError::NotFinite)
    }
}

/// Scores a batch of jobs of one version and answers each of them.
fn answer(batch: Vec<Job>, versions: &HashMap<ModelVersionId, Model>, queue: &Queue) {
    let version = batch[0].target.version.clone();
    let model = versions.get(&version.id).expect("the catalog only names versions that are loaded");
    let inputs: Vec<Input<'_>> = (batch.iter())
        .flat_map(|job| &job.candidates)
        .map(|candidate| Input {
            architecture: &candidate.architecture,
            saliencies: candidate.saliencies.as_ref(),
        })
        .collect();
    let span = tracing::debug_span!("batch", version = %version.id, n_jobs = batch.len(), n_architectures = inputs.len());
    for job in &batch {
        span.follows_from(job.span.id());
    }
    let _entered = span.enter();

    let taken_up = Instant::now();
    let predictions = score(model, &version, &inputs).map_err(Arc::new);
    let compute = taken_up.elapsed();
    queue.record_pace(compute, inputs.len());
    drop(inputs);

    match predictions {
        Ok(predictions) => {
            let mut predictions = predictions.into_iter();
            for job in batch {
                let predictions = predictions.by_ref().take(job.candidates.len()).collect();
                // Who has gone needs no answer.
                let _ = job.reply.send(Ok(Scored { predictions, taken_up, compute }));
            }
        }
        Err(error) => {
            for job in batch {
                let _ = job.reply.send(Err(Error::Inference(error.clone())));
            }
        }
    }
}

/// The prediction of each input, or why the model does not take it.
fn score(
    model: &Model,
    version: &Version,
    inputs: &[Input<'_>],
) -> Result<Vec<Result<Prediction, CandidateError>>, model::Error> {
    let checked: Vec<_> = inputs.iter().map(|input| model.check(input)).collect();
    let accepted: Vec<_> =
        (inputs.iter().zip(&checked)).filter_map(|(input, check)| check.is_ok().then_some(*input)).collect();
    let rows = if accepted.is_empty() { Vec::new() } else { model.scores(&accepted)? };
    let mut rows = rows.into_iter();
    let prediction = |scores: Vec<f64>| Prediction {
        steps: (version.step_budgets.iter().zip(scores))
            .map(|(&budget, score)| StepPrediction { budget, score })
            .collect(),
    };
    Ok((checked.into_iter())
        .map(|check| {
            check?;
            let scores = rows.next().expect("the model scores every input it accepted");
            if scores.iter().all(|score| score.is_finite()) {
                Ok(prediction(scores))
            } else {
                Err(CandidateError::NotFinite)
            }
        })
        .collect())
}
