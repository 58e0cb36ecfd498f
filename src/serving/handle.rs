//! The side callers see.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time;
use tracing::Span;

use crate::domain::{Candidate, ModelVersionId, Task, TaskName};
use crate::serving::catalog::Catalog;
use crate::serving::filling::Filling;
use crate::serving::job::{Job, Scored};
use crate::serving::queue::Queue;
use crate::serving::{Answer, Error, SaliencyHandle, ServedTask, Target, Timings};

/// Asks the model thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    catalog: Arc<Catalog>,
    queue: Arc<Queue>,
    max_batch: usize,
    saliencies: Option<SaliencyHandle>,
}

impl Handle {
    pub(in crate::serving) fn new(queue: Arc<Queue>, max_batch: usize) -> Self {
        Self { catalog: Arc::default(), queue, max_batch, saliencies: None }
    }

    /// The same, with somebody to ask for the saliencies that clients do not send.
    #[must_use]
    pub fn measuring_with(self, saliencies: SaliencyHandle) -> Self {
        Self { saliencies: Some(saliencies), ..self }
    }

    /// Whom it asks for saliencies; `None` where nobody measures any here.
    #[must_use]
    pub fn saliencies(&self) -> Option<&SaliencyHandle> {
        self.saliencies.as_ref()
    }

    /// From now on calls for the task of `target` are answered by its version; those under way keep
    /// theirs.
    pub fn swap(&self, target: Target) {
        self.catalog.swap(target);
    }

    /// The version that answers for a task.
    #[must_use]
    pub fn champion(&self, task: &TaskName) -> Option<ModelVersionId> {
        self.catalog.champion(task)
    }

    /// The version that should answer for a task cannot be loaded. The one before, if any, goes on.
    pub fn refuse(&self, task: &Task, version: ModelVersionId) {
        self.catalog.refuse(task, version);
    }

    /// The version that answers for a task is the one that should, whatever could not be loaded before.
    pub fn forget_refused(&self, task: &TaskName) {
        self.catalog.forget_refused(task);
    }

    /// The version of a task that should answer and could not be loaded.
    #[must_use]
    pub fn refused(&self, task: &TaskName) -> Option<ModelVersionId> {
        self.catalog.refused(task)
    }

    /// Exactly these tasks are known from now on. Those that were known keep their versions.
    pub fn know(&self, tasks: Vec<ServedTask>) {
        self.catalog.know(tasks);
    }

    /// The task of that name, or the only one that is served, with the version asked for, or the
    /// champion.
    ///
    /// # Errors
    /// When there is no such task, no such version of it, none at all, or no name where one is needed; or
    /// when nobody has said yet which tasks there are.
    pub fn target(&self, task: Option<&TaskName>, version: Option<&ModelVersionId>) -> Result<Target, Error> {
        self.catalog.target(task, version)
    }

    /// The scores of `candidates`, in order, all by the version of `target`. Those that come without the saliencies it
    /// takes get those that are known or measured, where the task opted in. A future that is dropped
    /// takes back what the model has not yet begun.
    ///
    /// # Errors
    /// When a queue is full, the deadline passes, the service stops or the model fails: then none of
    /// the candidates has an answer.
    pub async fn predict(
        &self,
        target: &Target,
        mut candidates: Vec<Candidate>,
        deadline: Option<Instant>,
    ) -> Result<Answer, Error> {
        let chosen = || self.catalog.saliency_proxy(&target.task.name);
        let filling =
            Filling::fill(self.saliencies.as_ref(), target, chosen, &mut candidates, deadline).await?;
        let n_candidates = candidates.len();
        let queued = Instant::now();
        let (jobs, replies): (Vec<_>, Vec<_>) = (self.parts(candidates).into_iter())
            .map(|candidates| {
                let (reply, answer) = oneshot::channel();
                (Job { target: target.clone(), candidates, deadline, reply, span: Span::current() }, answer)
            })
            .unzip();
        self.queue.push(jobs)?;

        let parts = collect(replies);
        let parts = match deadline {
            Some(deadline) => {
                time::timeout_at(deadline.into(), parts).await.map_err(|_| Error::DeadlineExceeded)??
            }
            None => parts.await?,
        };
        let first_taken_up = parts.iter().map(|part| part.taken_up).min().unwrap_or(queued);
        let timings = Timings {
            saliencies: filling.waited,
            queue: first_taken_up.duration_since(queued),
            compute: parts.iter().map(|part| part.compute).sum::<Duration>(),
        };
        let mut predictions = Vec::with_capacity(n_candidates);
        let all = parts.into_iter().flat_map(|part| part.predictions).enumerate();
        predictions.extend(all.map(|(index, prediction)| filling.explained(index, prediction)));
        Ok(Answer { version: target.version.clone(), predictions, timings })
    }

    /// Splits a call so that each part fits into a batch, and none keeps the device from other tasks for
    /// longer than a batch.
    fn parts(&self, mut candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
        let mut parts = Vec::with_capacity(candidates.len().div_ceil(self.max_batch));
        while candidates.len() > self.max_batch {
            let rest = candidates.split_off(self.max_batch);
            parts.push(candidates);
            candidates = rest;
        }
        if !candidates.is_empty() {
            parts.push(candidates);
        }
        parts
    }
}

async fn collect(replies: Vec<oneshot::Receiver<Result<Scored, Error>>>) -> Result<Vec<Scored>, Error> {
    let mut parts = Vec::with_capacity(replies.len());
    for reply in replies {
        // A job is only dropped unanswered when the model thread ends with it.
        parts.push(reply.await.map_err(|_| Error::Stopping)??);
    }
    Ok(parts)
}
