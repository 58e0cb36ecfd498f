//! A trainer that costs nothing: it waits to be told how its training ends. What it makes is one of a few
//! checkpoints that were trained once, labelled so that everybody can see which training made it.

use std::sync::{LazyLock, mpsc};
use std::thread;
use std::{fmt, io};

use candle_core::Device;
use tagates::domain::{Budget, Goal, Unit};
use tagates::fit::{Dataset, Example, FitConfig, FitError, Loss, Observer, Pairs, Run, Target, Trainer};
use tagates::model::{Checkpoint, Encoder, ModelConfig, TaGatesConfig};
use tagates::retraining::{Fit, Watch};
use tagates::space::{self, Architecture};
use tokio::sync::mpsc::UnboundedSender;

/// Epochs after which the checkpoints were taken that are made: from useless to good.
const EPOCHS: [usize; 4] = [0, 5, 10, 40];
pub const N_QUALITIES: usize = EPOCHS.len();
/// Architectures they were trained on.
const N_TRAINING: usize = 150;
/// Of a sample that no simulated task observes.
const SAMPLE_SEED: u64 = 1;

/// How a training is told to end.
pub enum Told {
    /// With the checkpoint of a quality, under this label.
    Make { quality: usize, label: u64 },
    /// With an error.
    Fail,
    /// As soon as its process wants it to.
    Stop,
}

/// A training that has begun, and goes on until it is told how to end. Dropped, it never ends well.
pub struct Begun {
    /// Of which worker.
    pub worker: usize,
    /// The worker's process: another after each kill.
    pub process: u64,
    /// The metric of the task.
    pub metric: String,
    /// Whether it goes on from a stored state.
    pub is_resumed: bool,
    pub told: mpsc::Sender<Told>,
}

/// Says that a training has begun, and waits.
pub struct HeldFit {
    pub worker: usize,
    pub process: u64,
    pub begun: UnboundedSender<Begun>,
}

impl fmt::Debug for HeldFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HeldFit of worker {}", self.worker)
    }
}

impl Fit for HeldFit {
    fn max_targets(&self) -> usize {
        1
    }

    fn fit(
        &self,
        dataset: &Dataset,
        _seed: u64,
        _start: Option<&Checkpoint>,
        watch: &Watch,
    ) -> Result<Option<Checkpoint>, FitError> {
        let Some(target) = dataset.targets.first() else {
            return Err(FitError::TooFew { n_examples: dataset.examples.len() });
        };
        let metric = target.column.trim_end_matches("_200").to_owned();
        let resumed = watch.stored_state(Run::Full)?;
        let is_resumed = resumed.is_some();
        assert!(resumed.is_none_or(|state| state == metric.as_bytes()), "a state of another task's run");
        let (told, telling) = mpsc::channel();
        // Nobody listens any more where the simulation is over.
        let _ = self.begun.send(Begun {
            worker: self.worker,
            process: self.process,
            metric: metric.clone(),
            is_resumed,
            told,
        });
        match telling.recv() {
            Ok(Told::Make { quality, label }) => Ok(Some(labelled(&CHECKPOINTS[quality], label))),
            Ok(Told::Stop) => {
                watch.store_state(Run::Full, metric.as_bytes())?;
                while watch.stopping().is_none() {
                    thread::yield_now();
                }
                Ok(None)
            }
            Ok(Told::Fail) | Err(mpsc::RecvError) => Err(FitError::Store(io::Error::other("as it was told"))),
        }
    }
}

/// The label of a checkpoint that was made here.
pub fn label(checkpoint: &Checkpoint) -> u64 {
    checkpoint.header().members[0].seed
}

fn labelled(checkpoint: &Checkpoint, label: u64) -> Checkpoint {
    let mut header = checkpoint.header().clone();
    header.members[0].seed = label;
    checkpoint.with_header(&header).expect("a header like any other")
}

static CHECKPOINTS: LazyLock<Vec<Checkpoint>> = LazyLock::new(|| EPOCHS.map(trained).to_vec());

fn trained(n_epochs: usize) -> Checkpoint {
    let config = tiny();
    let space = space::nasbench201();
    let examples = space.sample(N_TRAINING, SAMPLE_SEED).into_iter().map(|architecture| Example {
        class: architecture.canonical().id,
        saliencies: None,
        infeasible: Vec::new(),
        labels: vec![Some(accuracy(&architecture))],
        architecture,
    });
    let dataset = Dataset {
        goal: Goal::Maximize,
        unit: Unit::Percent,
        targets: vec![Target { column: "accuracy_200".to_owned(), budget: Some(Budget(200)) }],
        examples: examples.collect(),
        space,
    };
    let mut trainer = Trainer::new(&config, &dataset, 0, &Device::Cpu).expect("a dataset to train on");
    for _ in 0..n_epochs {
        trainer.run_epoch().expect("an epoch");
    }
    trainer.checkpoint().expect("a checkpoint")
}

fn tiny() -> FitConfig {
    let config = FitConfig::named("nasbench201").expect("a built-in configuration");
    let encoder = TaGatesConfig {
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 12,
        forward_dims: vec![16; 4],
        backward_dims: vec![16; 4],
        conversion_dims: vec![16],
        update_dims: vec![16],
        ..TaGatesConfig::default()
    };
    let model = ModelConfig {
        encoder: Encoder::TaGates(encoder),
        head_dims: vec![24],
        head_dropout: 0.0,
        ..config.model.clone()
    };
    let loss = Loss::PairwiseHinge { margin: 0.1, pairs: Pairs::All };
    let mut optimizer = config.optimizer;
    optimizer.learning_rate = 1e-2;
    FitConfig { model, n_epochs: 40, batch_size: 32, averaged_epochs: 0, n_members: 1, loss, optimizer }
}

/// What an architecture reaches, in percent: what its operations are worth.
pub fn accuracy(architecture: &Architecture) -> f64 {
    let n = |operation: &str| architecture.text().matches(operation).count() as f64;
    10.0 + 12.0
        * (n("nor_conv_3x3") + 0.6 * n("nor_conv_1x1") + 0.3 * n("skip_connect") + 0.1 * n("avg_pool"))
}
