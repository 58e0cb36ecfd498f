//! Tasks of the simulation, and what is observed of them.

use tagates::domain::{Budget, Holdout, Measurement, Observation, ObservationKey, Source, Task, TaskName};
use tagates::space::Architecture;

use crate::held_fit::accuracy;

/// Architectures there are to be observed, of each task.
const N_ARCHITECTURES: usize = 400;

/// A task, and what there is to be observed of it.
pub struct Simulated {
    pub task: Task,
    architectures: Vec<Architecture>,
    n_sent: usize,
    /// What was sent, in order.
    pub batches: Vec<Vec<Observation>>,
}

impl Simulated {
    /// The accuracy under this metric, of architectures that it has for itself.
    pub fn new(metric: &str, seed: u64) -> Self {
        let task = Task {
            name: TaskName::new(&metric.replace('_', "-")).expect("a name"),
            metric: metric.to_owned(),
            budgets: vec![Budget(200)],
            holdout: Holdout::new(metric, 0.4).expect("a share"),
            ..Task::nasbench201_cifar10()
        };
        let architectures = task.space.sample(N_ARCHITECTURES, seed);
        Self { task, architectures, n_sent: 0, batches: Vec::new() }
    }

    /// The next architectures, measured.
    pub fn next_batch(&mut self, n: usize) -> Vec<Observation> {
        let to = (self.n_sent + n).min(self.architectures.len());
        let new = &self.architectures[self.n_sent..to];
        let batch: Vec<_> = new.iter().map(|architecture| self.observation(architecture)).collect();
        self.n_sent = to;
        self.batches.push(batch.clone());
        batch
    }

    fn observation(&self, architecture: &Architecture) -> Observation {
        let key = ObservationKey {
            task: self.task.name.clone(),
            architecture: architecture.clone(),
            budget: Budget(200),
            seed: 0,
            source: Source::default(),
        };
        Observation::new(&self.task, key, Measurement::Value(accuracy(architecture)), None).expect("valid")
    }
}
