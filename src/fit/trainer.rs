//! A training run, one epoch of all its members at a time, so that whoever runs it can show progress, stop, and go on
//! later.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;

use candle_core::Device;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Budget, Unit};
use crate::fit::config::{FitConfig, Loss};
use crate::fit::dataset::{Dataset, Example, Target};
use crate::fit::error::FitError;
use crate::fit::member_trainer::{MemberEpoch, MemberTrainer};
use crate::fit::state::{State, StateError};
use crate::model::{
    Checkpoint, CheckpointError, FORMAT_VERSION, Header, Heads, Input, MAX_SIZE_BYTES, Member, ModelConfig,
    SeenClasses, StepHead, training_statistics,
};

/// Bytes of weights at most: what a checkpoint may have, less its header.
pub const MAX_WEIGHT_BYTES: usize = MAX_SIZE_BYTES - (1 << 20);

/// What one epoch came to, on average over the members.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub number: usize,
    /// Mean over the steps of the optimiser.
    pub loss: f64,
    /// Of the scores the examples had in a member's steps, against the last target.
    pub kendall_tau: Option<f64>,
}

/// A training run in progress. The same configuration, dataset and seed give the same predictor.
#[derive(Debug)]
pub struct Trainer<'a> {
    config: &'a FitConfig,
    dataset: &'a Dataset,
    seed: u64,
    device: Device,
    n_threads: NonZero<usize>,
    members: Vec<MemberTrainer<'a>>,
    n_epochs_done: usize,
    /// The digest of the checkpoint whose weights it started from.
    started_from: Option<[u8; 32]>,
}

impl<'a> Trainer<'a> {
    /// A run on `device` that starts from initial values drawn by `seed`.
    ///
    /// # Errors
    /// When the dataset cannot be trained on with this configuration, or no checkpoint would hold its members.
    pub fn new(
        config: &'a FitConfig,
        dataset: &'a Dataset,
        seed: u64,
        device: &Device,
    ) -> Result<Self, FitError> {
        let (n_targets, n_steps) = (dataset.targets.len(), config.model.n_steps());
        config.model.check_space(&dataset.space)?;
        if config.model.heads == Heads::PerStep && n_targets > n_steps {
            return Err(FitError::TooManyTargets { n_targets, n_steps });
        }
        if dataset.examples.len() < 2 {
            return Err(FitError::TooFew { n_examples: dataset.examples.len() });
        }
        if config.loss == Loss::MeanSquaredError && dataset.unit == Unit::None {
            return Err(FitError::NoFractions);
        }
        for (index, target) in dataset.targets.iter().enumerate() {
            let learnt_from = match config.loss {
                Loss::PairwiseHinge { .. } => dataset.merits(index),
                Loss::MeanSquaredError => dataset.labels(index),
            };
            let mut learnt_from = learnt_from.into_iter().flatten();
            let first = learnt_from.next();
            if learnt_from.all(|label| Some(label) == first) {
                return Err(FitError::NothingToLearn { column: target.column.clone() });
            }
        }
        for (index, example) in dataset.examples.iter().enumerate() {
            example
                .input()
                .check(&dataset.space, &config.model)
                .map_err(|source| FitError::Input { index, source })?;
        }
        let steps = scored_steps(n_targets, &config.model);
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let statistics = training_statistics(&config.model, &inputs)?;
        let mut members = Vec::with_capacity(config.n_members);
        for index in 0..config.n_members {
            let seed = member_seed(seed, index);
            let member = MemberTrainer::new(config, dataset, &steps, &statistics, seed, device)?;
            let (n_members, size_bytes) = (config.n_members, member.size_bytes());
            if size_bytes * n_members > MAX_WEIGHT_BYTES {
                return Err(FitError::TooLarge { n_members, size_bytes });
            }
            members.push(member);
        }
        let (n_epochs_done, started_from) = (0, None);
        let (device, n_threads) = (device.clone(), NonZero::<usize>::MIN);
        Ok(Self { config, dataset, seed, device, n_threads, members, n_epochs_done, started_from })
    }

    /// The run that computes its members side by side, on so many threads at most. On a GPU they share one
    /// stream, which more threads would not make faster.
    #[must_use]
    pub fn on_threads(self, n_threads: NonZero<usize>) -> Self {
        let n_threads = if self.device.is_cpu() { n_threads } else { NonZero::<usize>::MIN };
        Self { n_threads, ..self }
    }

    /// The run that starts from the weights of a checkpoint instead: a warm start.
    ///
    /// # Errors
    /// When the checkpoint is of another model.
    pub fn started_from(mut self, checkpoint: &Checkpoint) -> Result<Self, FitError> {
        if !can_start_from(self.config, self.dataset, checkpoint) {
            return Err(FitError::OtherModel);
        }
        let weights = candle_core::safetensors::load_buffer(checkpoint.as_bytes(), &self.device)?;
        for (trainer, member) in self.members.iter().zip(&checkpoint.header().members) {
            trainer.start_from(|name| weights.get(&member.tensor_name(name)))?;
        }
        self.started_from = Some(checkpoint.digest());
        Ok(self)
    }

    /// The run as it goes on from what [`Self::state`] returned for the same configuration, dataset, seed and
    /// start.
    ///
    /// # Errors
    /// When the state is damaged or of another run.
    pub fn resumed(mut self, state: &[u8]) -> Result<Self, FitError> {
        let state = State::read(state, &self.fingerprint(), &self.device)?;
        if state.members.len() != self.members.len() {
            let problem = format!("{} members", state.members.len());
            return Err(StateError::Damaged(problem).into());
        }
        for (member, state) in self.members.iter_mut().zip(state.members) {
            member.resume(state)?;
        }
        self.n_epochs_done = state.n_epochs_done;
        Ok(self)
    }

    /// What it computes on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Epochs made so far.
    #[must_use]
    pub fn n_epochs_done(&self) -> usize {
        self.n_epochs_done
    }

    /// Whether all epochs of the configuration are made.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.n_epochs_done >= self.config.n_epochs
    }

    /// Everything needed to go on from here.
    ///
    /// # Errors
    /// When a tensor cannot be copied.
    pub fn state(&self) -> Result<Vec<u8>, FitError> {
        let members = self.members.iter().map(MemberTrainer::state).collect();
        Ok(State { n_epochs_done: self.n_epochs_done, members }.write(&self.fingerprint())?)
    }

    /// Trains each member for one more epoch: on all examples once, in an order drawn for it.
    ///
    /// # Errors
    /// When the loss is not finite or a tensor operation fails.
    pub fn run_epoch(&mut self) -> Result<Epoch, FitError> {
        let number = self.n_epochs_done + 1;
        let epochs = self.run_members(number)?;
        self.n_epochs_done = number;
        let mean = |sum: f64| sum / epochs.len() as f64;
        let loss = mean(epochs.iter().map(|epoch| epoch.loss).sum());
        let kendall_tau = epochs.iter().map(|epoch| epoch.kendall_tau).sum::<Option<f64>>().map(mean);
        Ok(Epoch { number, loss, kendall_tau })
    }

    fn run_members(&mut self, number: usize) -> Result<Vec<MemberEpoch>, FitError> {
        let run = |members: &mut [MemberTrainer<'_>]| -> Result<Vec<_>, FitError> {
            members.iter_mut().map(|member| member.run_epoch(number)).collect()
        };
        let per_thread = self.members.len().div_ceil(self.n_threads.get());
        if per_thread == self.members.len() {
            return run(&mut self.members);
        }
        let epochs = thread::scope(|scope| {
            let threads: Vec<_> =
                self.members.chunks_mut(per_thread).map(|members| scope.spawn(|| run(members))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("training does not panic"))
                .collect::<Result<Vec<_>, _>>()
        });
        Ok(epochs?.concat())
    }

    /// The predictor as it is now, uncalibrated.
    ///
    /// # Errors
    /// When a tensor cannot be copied.
    pub fn checkpoint(&self) -> Result<Checkpoint, FitError> {
        let cfg = &self.config.model;
        let targets = &self.dataset.targets;
        let steps = heads(cfg, targets).map(|(step, budget)| StepHead { step, budget, calibration: None });
        let n_members = self.members.len();
        let member =
            |(index, trainer): (usize, &MemberTrainer<'_>)| Member::new(index, n_members, trainer.seed());
        let members: Vec<Member> = self.members.iter().enumerate().map(member).collect();
        let mut tensors = BTreeMap::new();
        for (trainer, member) in self.members.iter().zip(&members) {
            let of_member = trainer.tensors()?.into_iter();
            tensors.extend(of_member.map(|(name, tensor)| (member.tensor_name(&name), tensor)));
        }
        let header = Header {
            format_version: FORMAT_VERSION,
            predictor_kind: cfg.encoder.kind(),
            members,
            model: cfg.clone(),
            space: self.dataset.space.name.clone(),
            definition: Header::definition_of(&self.dataset.space),
            task: None,
            steps: steps.collect(),
            trained_on: SeenClasses::new(self.dataset.examples.iter().map(|example| &example.class)),
            saliencies: None,
            holdout: None,
            training: serde_json::to_value(self.config).map_err(CheckpointError::from)?,
            report: serde_json::Value::Null,
        };
        Ok(Checkpoint::new(&header, &tensors)?)
    }

    /// Names the run by everything its course depends on.
    fn fingerprint(&self) -> String {
        let Dataset { space, goal, unit, .. } = self.dataset;
        let setting = format!("{:?} {} {} {goal:?} {unit:?}", self.config, self.seed, space.name);
        let mut hash = Sha256::new().chain_update(setting);
        for target in &self.dataset.targets {
            hash.update(format!(" {target:?}"));
        }
        for example in &self.dataset.examples {
            hash.update(format!("\n{} {:?} {:?}", example.architecture, example.labels, example.saliencies));
            if example.infeasible.contains(&true) {
                hash.update(format!(" {:?}", example.infeasible));
            }
        }
        if let Some(definition) = Header::definition_of(space) {
            // A file that defines a space may have changed since.
            hash.update(serde_json::to_string(&definition).expect("a definition is JSON"));
        }
        if let Some(digest) = self.started_from {
            hash.update(digest);
        }
        format!("{:x}", hash.finalize())
    }
}

/// Whether a run can start from the weights of a checkpoint: its model has the same shape, heads and as many members.
#[must_use]
pub fn can_start_from(config: &FitConfig, dataset: &Dataset, checkpoint: &Checkpoint) -> bool {
    let header = checkpoint.header();
    let heads_of_checkpoint = header.steps.iter().map(|head| (head.step, head.budget));
    header.model == config.model
        && header.members.len() == config.n_members
        && header.search_space().is_ok_and(|space| space == dataset.space)
        && heads(&config.model, &dataset.targets).eq(heads_of_checkpoint)
}

/// Time step and budget of each target, in order.
fn heads<'a>(
    model: &ModelConfig,
    targets: &'a [Target],
) -> impl Iterator<Item = (usize, Option<u32>)> + use<'a> {
    let budget = |target: &Target| target.budget.map(|Budget(epochs)| epochs);
    scored_steps(targets.len(), model).into_iter().zip(targets.iter().map(budget))
}

/// The time steps that predict the targets, in order: the last ones, or the very last for all.
fn scored_steps(n_targets: usize, model: &ModelConfig) -> Vec<usize> {
    match model.heads {
        Heads::PerStep => (model.n_steps() + 1 - n_targets..=model.n_steps()).collect(),
        Heads::LastStep => vec![model.n_steps(); n_targets],
    }
}

/// The seed of one member of a run with `seed`: that of the first is the run's own.
fn member_seed(seed: u64, index: usize) -> u64 {
    if index == 0 {
        return seed;
    }
    let digest = Sha256::new()
        .chain_update("member")
        .chain_update(seed.to_le_bytes())
        .chain_update((index as u64).to_le_bytes())
        .finalize();
    u64::from_le_bytes(std::array::from_fn(|byte| digest[byte]))
}
