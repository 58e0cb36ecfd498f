//! The thread that computes.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::domain::{Prediction, StepPrediction};
use crate::model::{self, Input};
use crate::serving::job::{Job, Scored};
use crate::serving::queue::Queue;
use crate::serving::schedule::Schedule;
use crate::serving::{CandidateError, Config, Error, Handle, Version};

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

/// Starts the model thread. It serves nothing until it is given something with [`Handle::swap`].
///
/// # Errors
/// When the operating system gives no thread.
pub fn start(config: &Config) -> io::Result<(Handle, Worker)> {
    let max_batch = config.max_batch.get();
    let queue = Arc::new(Queue::new(Schedule::new(config.queue_capacity.get(), max_batch)));
    let (end, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("model".to_owned()).spawn({
        let ending = Ending { queue: queue.clone(), _end: end };
        move || {
            while let Some(batch) = ending.queue.next() {
                let version = batch[0].target.version.clone();
                let is_answered = answer(batch, &ending.queue);
                if !is_answered && let Err(error) = model::check_answer(version.model.device()) {
                    // Whoever runs the server finds another device for the next one.
                    tracing::error!(%error, "the device is lost");
                    return;
                }
            }
        }
    })?;
    let worker = Worker { queue: queue.clone(), thread: Some(thread), ended };
    Ok((Handle::new(queue, max_batch), worker))
}

impl Worker {
    /// Completes when the thread has ended, which before [`Self::stop`] means that it panicked or that its device is
    /// lost.
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

/// Scores a batch of jobs of one version and answers each of them. Whether the model could.
fn answer(batch: Vec<Job>, queue: &Queue) -> bool {
    let version = batch[0].target.version.clone();
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
    let predictions = score(&version, &inputs).map_err(Arc::new);
    let compute = taken_up.elapsed();
    queue.record_pace(compute, inputs.len());
    drop(inputs);

    let is_answered = predictions.is_ok();
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
    is_answered
}

/// The prediction of each input, or why the model does not take it.
fn score(
    version: &Version,
    inputs: &[Input<'_>],
) -> Result<Vec<Result<Prediction, CandidateError>>, model::Error> {
    let model = &version.model;
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
