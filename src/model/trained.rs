//! A checkpoint brought to life: scores architectures, the same to the last bit in any batch.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error as TensorError, Result as TensorResult, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use sha2::{Digest, Sha256};

use crate::model::layers::NoDropout;
use crate::model::network::Network;
use crate::model::{Checkpoint, CheckpointError, Header, Input, InputError, Member, Padding, constants};
use crate::space::SearchSpace;

/// A predictor that can be asked. It shares no storage with the checkpoint or a trainer.
#[derive(Debug)]
pub struct Model {
    header: Header,
    digest: [u8; 32],
    space: Arc<SearchSpace>,
    device: Device,
    /// Their scores are averaged.
    members: Vec<Network>,
}

/// Why architectures could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input this model does not take.
    #[error("input {index}")]
    Input {
        /// Position in the batch.
        index: usize,
        /// What is wrong with it.
        source: InputError,
    },
    /// A tensor operation failed on the device.
    #[error("could not compute scores")]
    Tensor(#[from] TensorError),
}

impl Model {
    /// Builds the predictor of `checkpoint` on `device`.
    ///
    /// # Errors
    /// When its space is unknown or its tensors are not exactly those its header describes.
    pub fn load(checkpoint: &Checkpoint, device: &Device) -> Result<Self, CheckpointError> {
        let header = checkpoint.header().clone();
        let space = header.search_space()?;
        let tensors = checkpoint.tensors(device)?;
        let taken = Arc::<Mutex<HashSet<String>>>::default();
        let names: HashSet<String> = tensors.keys().cloned().collect();
        let backend = CheckpointTensors { tensors, taken: taken.clone() };
        let vb = VarBuilder::from_backend(Box::new(backend), DType::F32, device.clone());

        let steps: Vec<usize> = header.steps.iter().map(|head| head.step).collect();
        let load_member = |member: &Member| {
            let vb = match member.tensor_prefix.as_str() {
                "" => vb.clone(),
                prefix => vb.pp(prefix),
            };
            constants::check(&header.model, &space, &vb)?;
            Network::new(&header.model, &space, &steps, &vb)
                .map_err(|refusal| CheckpointError::tensors(&refusal))
        };
        let members = header.members.iter().map(load_member).collect::<Result<_, _>>()?;
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = names.difference(&taken).min() {
            return Err(CheckpointError::Mismatch(format!("tensor {name} belongs to no part of the model")));
        }
        Ok(Self { digest: checkpoint.digest(), header, space, device: device.clone(), members })
    }

    /// What the checkpoint says of the model.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What it computes on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The space whose architectures it scores.
    #[must_use]
    pub fn space(&self) -> &Arc<SearchSpace> {
        &self.space
    }

    /// Whether scores are in the unit of the task, rather than meaning order only.
    #[must_use]
    pub fn is_calibrated(&self) -> bool {
        self.header.steps.iter().all(|head| head.calibration.is_some())
    }

    /// Smallest and largest value of the unit its scores are in, `None` where they mean order only.
    #[must_use]
    pub fn valid_range(&self) -> Option<(f64, f64)> {
        let calibration = self.header.steps.iter().find_map(|head| head.calibration.as_ref())?;
        self.is_calibrated().then(|| calibration.valid_range())
    }

    /// Checks that the model can score `input`.
    ///
    /// # Errors
    /// When it is of another space, or comes without the saliencies the model needs, or with
    /// saliencies of another shape.
    pub fn check(&self, input: &Input<'_>) -> Result<(), InputError> {
        input.check(&self.space, &self.header.model)
    }

    /// For each input, one score for each of the header's steps: in the task's unit where the model
    /// is calibrated, else raw.
    ///
    /// # Errors
    /// When an input fails [`Self::check`] or the device fails.
    pub fn scores(&self, inputs: &[Input<'_>]) -> Result<Vec<Vec<f64>>, Error> {
        let mut rows = self.raw_scores(inputs)?;
        for row in &mut rows {
            for (score, head) in row.iter_mut().zip(&self.header.steps) {
                if let Some(calibration) = &head.calibration {
                    *score = calibration.value(*score);
                }
            }
        }
        Ok(rows)
    }

    /// As [`Self::scores`], before any calibration: the means of what the members say.
    ///
    /// # Errors
    /// As [`Self::scores`].
    pub fn raw_scores(&self, inputs: &[Input<'_>]) -> Result<Vec<Vec<f64>>, Error> {
        for (index, input) in inputs.iter().enumerate() {
            self.check(input).map_err(|source| Error::Input { index, source })?;
        }
        let mut rows = vec![vec![0.0; self.header.steps.len()]; inputs.len()];
        for (index, member) in self.members.iter().enumerate() {
            let mut noise = |input: &Input<'_>, n_values: usize| self.noise(index, input, n_values);
            let embeddings = member.embed(inputs, &mut noise, Padding::Filler)?;
            for (step, embeddings) in embeddings.iter().enumerate() {
                let scores: Vec<f32> = member.score(step, embeddings, &mut NoDropout)?.to_vec1()?;
                for (row, score) in rows.iter_mut().zip(scores) {
                    row[step] += f64::from(score);
                }
            }
        }
        for score in rows.iter_mut().flatten() {
            *score /= self.members.len() as f64;
        }
        Ok(rows)
    }

    /// Symmetry-breaking noise, seeded by checkpoint, architecture and member: the same question has one answer.
    fn noise(&self, member: usize, input: &Input<'_>, n_values: usize) -> Vec<f64> {
        let mut seed = Sha256::new().chain_update(self.digest).chain_update(input.architecture.text());
        if member > 0 {
            seed.update((member as u64).to_le_bytes()); // The first draws what one alone always drew.
        }
        ChaCha8Rng::from_seed(seed.finalize().into()).sample_iter(StandardNormal).take(n_values).collect()
    }
}

/// The tensors of a checkpoint, and which of them the model took.
struct CheckpointTensors {
    tensors: HashMap<String, Tensor>,
    taken: Arc<Mutex<HashSet<String>>>,
}

impl SimpleBackend for CheckpointTensors {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> TensorResult<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if *tensor.shape() == shape {
            Ok(tensor)
        } else {
            candle_core::bail!("tensor {name} has shape {:?}, the header describes {shape:?}", tensor.shape())
        }
    }

    fn get_unchecked(&self, name: &str, dtype: DType, _: &Device) -> TensorResult<Tensor> {
        let Some(tensor) = self.tensors.get(name) else { candle_core::bail!("tensor {name} is missing") };
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        tensor.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}

#[cfg(test)]
impl Model {
    /// A model of NAS-Bench-201 that has learnt nothing and scores once, in no unit.
    pub(crate) fn sample() -> Arc<Self> {
        use std::sync::LazyLock;

        use crate::model::{Encoder, ModelConfig, SeenClasses, StepHead, TaGatesConfig, Variables};

        static SAMPLE: LazyLock<Arc<Model>> = LazyLock::new(|| {
            let space = crate::space::nasbench201();
            let encoder = Encoder::TaGates(TaGatesConfig { n_steps: 1, ..TaGatesConfig::default() });
            let model = ModelConfig { encoder, ..ModelConfig::default() };
            let variables = Variables::new(0);
            let vb = variables.builder(DType::F32, &Device::Cpu);
            let network = Network::new(&model, &space, &[1], &vb).expect("a network");
            let header = Header {
                format_version: crate::model::FORMAT_VERSION,
                predictor_kind: model.encoder.kind(),
                members: vec![Member::new(0, 1, 0)],
                model,
                space: space.name.clone(),
                definition: None,
                task: None,
                steps: vec![StepHead { step: 1, budget: None, calibration: None }],
                trained_on: SeenClasses::default(),
                saliencies: None,
                holdout: None,
                training: serde_json::Value::Null,
                report: serde_json::Value::Null,
            };
            Arc::new(Model { header, digest: [0; 32], space, device: Device::Cpu, members: vec![network] })
        });
        SAMPLE.clone()
    }
}
