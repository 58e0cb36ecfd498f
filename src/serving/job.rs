//! A part of a call, small enough for one batch.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::Span;

use crate::domain::{Candidate, Prediction};
use crate::serving::{CandidateError, Error, Target};

/// Candidates that wait for the model.
#[derive(Debug)]
pub(in crate::serving) struct Job {
    /// Who shall score them.
    pub target: Target,
    /// At most one batch of them.
    pub candidates: Vec<Candidate>,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// Where the answer goes. Closed when the caller has gone.
    pub reply: oneshot::Sender<Result<Scored, Error>>,
    /// The call this is a part of.
    pub span: Span,
}

/// The answer to a job.
#[derive(Debug)]
pub(in crate::serving) struct Scored {
    /// One for each candidate, in order.
    pub predictions: Vec<Result<Prediction, CandidateError>>,
    /// When the model took up the batch.
    pub taken_up: Instant,
    /// How long it worked on the batch.
    pub compute: Duration,
}

impl Job {
    /// The job, if there is still somebody who waits for it at `now`. Who set a deadline that has
    /// passed is told so.
    pub fn if_wanted(self, now: Instant) -> Option<Self> {
        if self.reply.is_closed() {
            return None;
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            // The caller may have gone in this very moment.
            let _ = self.reply.send(Err(Error::DeadlineExceeded));
            return None;
        }
        Some(self)
    }
}

#[cfg(test)]
pub(in crate::serving) type Reply = oneshot::Receiver<Result<Scored, Error>>;

#[cfg(test)]
impl Job {
    /// A job of `n` candidates for `version` of `task`, without deadline, and where its answer arrives.
    pub fn sample(task: &str, version: &str, n: usize) -> (Self, Reply) {
        use std::sync::Arc;

        use crate::domain::{ModelVersionId, Task, TaskName};
        use crate::model::Model;
        use crate::serving::Version;

        let task = Task { name: TaskName::new(task).expect("a task name"), ..Task::nasbench201_cifar10() };
        let candidates = task.space.sample(n, 0).into_iter().map(Candidate::from).collect();
        let version = Version::new(ModelVersionId(version.into()), Model::sample());
        let target = Target { task: Arc::new(task), version: Arc::new(version) };
        let (reply, receiver) = oneshot::channel();
        (Self { target, candidates, deadline: None, reply, span: Span::none() }, receiver)
    }
}
