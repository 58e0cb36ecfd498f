//! The optimiser loop, one epoch at a time, so that whoever runs it can show progress, stop, and go
//! on later.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Budget, Goal, Unit};
use crate::fit::adam::Adam;
use crate::fit::average::WeightAverage;
use crate::fit::config::{FitConfig, Loss, Pairs};
use crate::fit::dataset::{Dataset, Example, Target};
use crate::fit::dropout::SeededDropout;
use crate::fit::error::FitError;
use crate::fit::loss::{mean_squared_error, pairs, pairwise_hinge, positions};
use crate::fit::schedule::learning_rate;
use crate::fit::state::State;
use crate::metrics::kendall_tau;
use crate::model::{
    Checkpoint, CheckpointError, FORMAT_VERSION, Header, Heads, Input, Member, ModelConfig, Network,
    NoDropout, Padding, SeenClasses, StepHead, Variables, constants, rows_at, training_statistics,
};

/// What one epoch came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub number: usize,
    /// Mean over the steps of the optimiser.
    pub loss: f64,
    /// Of the scores the examples had in the epoch's steps, against the last target.
    pub kendall_tau: Option<f64>,
}

/// A training run in progress. The same configuration, dataset and seed give the same predictor.
#[derive(Debug)]
pub struct Trainer<'a> {
    config: &'a FitConfig,
    dataset: &'a Dataset,
    seed: u64,
    device: Device,
    variables: Variables,
    network: Network,
    adam: Adam,
    average: WeightAverage,
    n_epochs_done: usize,
    /// The digest of the checkpoint whose weights it started from.
    started_from: Option<[u8; 32]>,
}

impl<'a> Trainer<'a> {
    /// A run on `device` that starts from initial values drawn by `seed`.
    ///
    /// # Errors
    /// When the dataset cannot be trained on with this configuration.
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
        let variables = Variables::new(seed);
        let vb = variables.builder(DType::F32, device);
        let steps = scored_steps(n_targets, &config.model);
        let network = Network::new(&config.model, &dataset.space, &steps, &vb)?;
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let by_name = variables.by_name();
        for (name, tensor) in training_statistics(&config.model, &inputs)? {
            if let Some(variable) = by_name.get(&name) {
                variable.set(&tensor.to_device(device)?)?;
            }
        }
        let adam = Adam::new(config.optimizer);
        let average = WeightAverage::default();
        let (n_epochs_done, started_from) = (0, None);
        let device = device.clone();
        Ok(Self {
            config,
            dataset,
            seed,
            device,
            variables,
            network,
            adam,
            average,
            n_epochs_done,
            started_from,
        })
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
        for (name, variable) in self.trainable() {
            variable.set(weights.get(&name).ok_or(FitError::OtherModel)?)?;
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
        state.restore(&self.variables.by_name())?;
        self.n_epochs_done = state.n_epochs_done;
        self.average = WeightAverage::resumed(state.average);
        self.adam = Adam::resumed(self.config.optimizer, state.n_steps, state.moments);
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
        Ok(State {
            n_epochs_done: self.n_epochs_done,
            n_steps: self.adam.n_steps(),
            variables: tensors(&self.variables),
            moments: self.adam.moments().clone(),
            average: self.average.mean().clone(),
        }
        .write(&self.fingerprint())?)
    }

    /// Trains for one more epoch: all examples once, in an order drawn for it.
    ///
    /// # Errors
    /// When the loss is not finite or a tensor operation fails.
    pub fn run_epoch(&mut self) -> Result<Epoch, FitError> {
        let number = self.n_epochs_done + 1;
        let mut rng = self.rng(number);
        let mut order: Vec<&Example> = self.dataset.examples.iter().collect();
        order.shuffle(&mut rng);
        let variables = self.trainable();
        let n_steps = self.config.n_epochs * order.len().div_ceil(self.config.batch_size);

        let (mut losses, mut scores) = (Vec::new(), Vec::with_capacity(order.len()));
        for batch in order.chunks(self.config.batch_size) {
            let embeddings = self.embed(batch, &mut rng)?;
            scores.extend(self.scores_so_far(&embeddings)?);
            if let Some(loss) = self.loss(batch, &embeddings, &mut rng)? {
                losses.push(f64::from(loss.to_scalar::<f32>()?));
                let rate = learning_rate(&self.config.optimizer, self.adam.n_steps() as usize, n_steps);
                self.adam.step(&variables, &loss.backward()?, rate)?;
            }
        }
        if losses.is_empty() {
            return Err(FitError::NoLoss { epoch: number });
        }
        let loss = losses.iter().sum::<f64>() / losses.len() as f64;
        if !loss.is_finite() {
            return Err(FitError::Diverged { epoch: number });
        }
        self.n_epochs_done = number;
        let n_before = self.config.n_epochs - self.config.averaged_epochs;
        if number > n_before {
            self.average.add(&tensors(&self.variables), number - n_before)?;
        }
        Ok(Epoch { number, loss, kendall_tau: self.training_tau(&order, &scores) })
    }

    /// The predictor as it is now, uncalibrated.
    ///
    /// # Errors
    /// When a tensor cannot be copied.
    pub fn checkpoint(&self) -> Result<Checkpoint, FitError> {
        let cfg = &self.config.model;
        let targets = &self.dataset.targets;
        let steps = heads(cfg, targets).map(|(step, budget)| StepHead { step, budget, calibration: None });
        let header = Header {
            format_version: FORMAT_VERSION,
            predictor_kind: cfg.encoder.kind(),
            members: vec![Member { tensor_prefix: String::new(), seed: self.seed }],
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
        let mut tensors = match self.average.mean() {
            mean if mean.is_empty() => tensors(&self.variables),
            mean => mean.clone(),
        };
        tensors.extend(constants::tensors(cfg, &self.dataset.space)?);
        Ok(Checkpoint::new(&header, &tensors)?)
    }

    /// Chance for one epoch: whether a run was interrupted makes no difference.
    fn rng(&self, epoch: usize) -> ChaCha8Rng {
        let seed = Sha256::new()
            .chain_update("epoch")
            .chain_update(self.seed.to_le_bytes())
            .chain_update((epoch as u64).to_le_bytes());
        ChaCha8Rng::from_seed(seed.finalize().into())
    }

    fn trainable(&self) -> BTreeMap<String, candle_core::Var> {
        let mut variables = self.variables.by_name();
        variables.retain(|name, _| !constants::is_constant(name, &self.config.model, &self.dataset.space));
        variables
    }

    /// The embeddings of a batch at each scored step.
    fn embed(&self, batch: &[&Example], rng: &mut ChaCha8Rng) -> Result<Vec<Tensor>, FitError> {
        let inputs: Vec<Input<'_>> = batch.iter().map(|example| example.input()).collect();
        let mut noise =
            |_: &Input<'_>, n_values: usize| rng.sample_iter(StandardNormal).take(n_values).collect();
        Ok(self.network.embed(&inputs, &mut noise, Padding::None)?)
    }

    /// What the batch scores at the last target, before the step that it is about to cause.
    fn scores_so_far(&self, embeddings: &[Tensor]) -> Result<Vec<f32>, FitError> {
        let last = embeddings.len() - 1;
        Ok(self.network.score(last, &embeddings[last].detach(), &mut NoDropout)?.to_vec1()?)
    }

    /// The loss summed over the targets, or nothing where the batch has nothing to learn from.
    fn loss(
        &self,
        batch: &[&Example],
        embeddings: &[Tensor],
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Tensor>, FitError> {
        let mut losses = Vec::with_capacity(embeddings.len());
        for (target, embeddings) in embeddings.iter().enumerate() {
            let loss = match self.config.loss {
                Loss::PairwiseHinge { margin, pairs } => {
                    let goal = self.dataset.goal;
                    let merits: Vec<_> = batch.iter().map(|example| example.merit(target, goal)).collect();
                    self.hinge_loss(target, &merits, embeddings, (margin, pairs), rng)?
                }
                Loss::MeanSquaredError => {
                    let labels: Vec<_> = batch.iter().map(|example| example.labels[target]).collect();
                    self.squared_loss(target, &labels, embeddings, rng)?
                }
            };
            losses.extend(loss);
        }
        let sum = losses.into_iter().map(Ok).reduce(|sum, loss| sum? + loss?);
        Ok(sum.transpose()?)
    }

    fn hinge_loss(
        &self,
        target: usize,
        merits: &[Option<f64>],
        embeddings: &Tensor,
        (margin, which): (f64, Pairs),
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Tensor>, FitError> {
        let pairs = pairs(merits, which, rng);
        if pairs.is_empty() {
            return Ok(None);
        }
        let (better, worse) = positions(&pairs);
        let probability = self.config.model.head_dropout;
        let mut dropout = SeededDropout { probability, rng };
        let (better, worse) = match which {
            Pairs::All => {
                let scores = self.network.score(target, embeddings, &mut dropout)?;
                (rows_at(&scores, better)?, rows_at(&scores, worse)?)
            }
            Pairs::PerArchitecture(_) => {
                let mut member =
                    |positions| self.network.score(target, &rows_at(embeddings, positions)?, &mut dropout);
                (member(better)?, member(worse)?)
            }
        };
        Ok(Some(pairwise_hinge(&better, &worse, margin)?))
    }

    fn squared_loss(
        &self,
        target: usize,
        labels: &[Option<f64>],
        embeddings: &Tensor,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Tensor>, FitError> {
        if labels.iter().all(Option::is_none) {
            return Ok(None);
        }
        let full = *self.dataset.unit.valid_range().end();
        let fraction = |label: f64| match self.dataset.goal {
            Goal::Maximize => label / full,
            Goal::Minimize => 1.0 - label / full,
        };
        let fractions: Vec<Option<f64>> = labels.iter().map(|label| label.map(fraction)).collect();
        let mut dropout = SeededDropout { probability: self.config.model.head_dropout, rng };
        let scores = self.network.score(target, embeddings, &mut dropout)?;
        Ok(Some(mean_squared_error(&scores, &fractions)?))
    }

    fn training_tau(&self, order: &[&Example], scores: &[f32]) -> Option<f64> {
        let last = self.dataset.targets.len() - 1;
        let labelled = order.iter().zip(scores).filter_map(|(example, score)| {
            Some((self.dataset.goal.merit(example.labels[last]?), f64::from(*score)))
        });
        let (labels, scores): (Vec<f64>, Vec<f64>) = labelled.unzip();
        kendall_tau(&scores, &labels)
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

/// Whether a run can start from the weights of a checkpoint: its model has the same shape and heads.
#[must_use]
pub fn can_start_from(config: &FitConfig, dataset: &Dataset, checkpoint: &Checkpoint) -> bool {
    let header = checkpoint.header();
    let heads_of_checkpoint = header.steps.iter().map(|head| (head.step, head.budget));
    header.model == config.model
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

fn tensors(variables: &Variables) -> BTreeMap<String, Tensor> {
    variables.by_name().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor())).collect()
}
