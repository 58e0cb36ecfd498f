//! One network in training, an epoch at a time.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use sha2::{Digest, Sha256};

use crate::domain::Goal;
use crate::fit::adam::Adam;
use crate::fit::average::WeightAverage;
use crate::fit::config::{FitConfig, Loss, Pairs};
use crate::fit::dataset::{Dataset, Example};
use crate::fit::dropout::SeededDropout;
use crate::fit::error::FitError;
use crate::fit::loss::{mean_squared_error, pairs, pairwise_hinge, positions};
use crate::fit::schedule::learning_rate;
use crate::fit::state::{MemberState, StateError};
use crate::metrics::kendall_tau;
use crate::model::{Input, Network, NoDropout, Padding, Variables, constants, rows_at};

/// What an epoch of one network came to.
#[derive(Clone, Copy, Debug)]
pub struct MemberEpoch {
    /// Mean over the steps of the optimiser.
    pub loss: f64,
    /// Of the scores the examples had in the epoch's steps, against the last target.
    pub kendall_tau: Option<f64>,
}

/// A network, its optimiser, and the mean of its weights.
#[derive(Debug)]
pub struct MemberTrainer<'a> {
    config: &'a FitConfig,
    dataset: &'a Dataset,
    seed: u64,
    variables: Variables,
    network: Network,
    adam: Adam,
    average: WeightAverage,
}

impl<'a> MemberTrainer<'a> {
    /// A network on `device`, scored at `steps`, with what it keeps of the training set, and initial values drawn by
    /// `seed`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn new(
        config: &'a FitConfig,
        dataset: &'a Dataset,
        steps: &[usize],
        statistics: &BTreeMap<String, Tensor>,
        seed: u64,
        device: &Device,
    ) -> Result<Self, FitError> {
        let variables = Variables::new(seed);
        let vb = variables.builder(DType::F32, device);
        let network = Network::new(&config.model, &dataset.space, steps, &vb)?;
        let by_name = variables.by_name();
        for (name, tensor) in statistics {
            if let Some(variable) = by_name.get(name) {
                variable.set(&tensor.to_device(device)?)?;
            }
        }
        let (adam, average) = (Adam::new(config.optimizer), WeightAverage::default());
        Ok(Self { config, dataset, seed, variables, network, adam, average })
    }

    /// The seed of its initial values and of its epochs.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What its tensors take in a checkpoint.
    pub fn size_bytes(&self) -> usize {
        self.variables.by_name().values().map(|variable| variable.elem_count() * 4).sum()
    }

    /// Gives what is learnt the values that `weight` has under its names.
    ///
    /// # Errors
    /// When `weight` has none, or one of another shape.
    pub fn start_from<'t>(&self, weight: impl Fn(&str) -> Option<&'t Tensor>) -> Result<(), FitError> {
        for (name, variable) in self.trainable() {
            variable.set(weight(&name).ok_or(FitError::OtherModel)?)?;
        }
        Ok(())
    }

    /// Goes on from a state.
    ///
    /// # Errors
    /// When it lacks a tensor or has it in another shape.
    pub fn resume(&mut self, state: MemberState) -> Result<(), StateError> {
        state.restore(&self.variables.by_name())?;
        self.average = WeightAverage::resumed(state.average);
        self.adam = Adam::resumed(self.config.optimizer, state.n_steps, state.moments);
        Ok(())
    }

    /// Everything needed to go on from here.
    pub fn state(&self) -> MemberState {
        MemberState {
            n_steps: self.adam.n_steps(),
            variables: values(&self.variables),
            moments: self.adam.moments().clone(),
            average: self.average.mean().clone(),
        }
    }

    /// The tensors of its predictor as it is now, by their published names.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>, FitError> {
        let mut tensors = match self.average.mean() {
            mean if mean.is_empty() => values(&self.variables),
            mean => mean.clone(),
        };
        tensors.extend(constants::tensors(&self.config.model, &self.dataset.space)?);
        Ok(tensors)
    }

    /// Trains on all examples once, in an order drawn for the epoch of this number, from 1.
    ///
    /// # Errors
    /// When the loss is not finite or a tensor operation fails.
    pub fn run_epoch(&mut self, number: usize) -> Result<MemberEpoch, FitError> {
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
        let n_before = self.config.n_epochs - self.config.averaged_epochs;
        if number > n_before {
            self.average.add(&values(&self.variables), number - n_before)?;
        }
        Ok(MemberEpoch { loss, kendall_tau: self.training_tau(&order, &scores) })
    }

    /// Chance for one epoch: whether a run was interrupted makes no difference.
    fn rng(&self, epoch: usize) -> ChaCha8Rng {
        let seed = Sha256::new()
            .chain_update("epoch")
            .chain_update(self.seed.to_le_bytes())
            .chain_update((epoch as u64).to_le_bytes());
        ChaCha8Rng::from_seed(seed.finalize().into())
    }

    fn trainable(&self) -> BTreeMap<String, Var> {
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
                let mut scored =
                    |positions| self.network.score(target, &rows_at(embeddings, positions)?, &mut dropout);
                (scored(better)?, scored(worse)?)
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
}

fn values(variables: &Variables) -> BTreeMap<String, Tensor> {
    variables.by_name().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor())).collect()
}
