//! Checkpoints of the published implementation: the tensors of its state dict, and nothing of what they mean.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;

use crate::model::constants::is_statistic;

use crate::model::{
    Checkpoint, CheckpointError, FORMAT_VERSION, Header, Heads, MAX_SIZE_BYTES, Member, ModelConfig,
    SeenClasses, StepHead, tensor_file,
};
use crate::space::SearchSpace;

/// The heads of all time steps but the last.
const EARLIER_HEADS: &str = "pre_mlps.";

impl Checkpoint {
    /// The predictor in a published state dict (`safetensors`), which `cfg` describes. `budgets` are those that the
    /// last time steps predict, one each; without, the last one has a score and no budget. Heads of other steps are
    /// left out. Its scores mean order only.
    ///
    /// # Errors
    /// When the bytes are no safetensors file, or the tensors not those of such a model of `space`; with more budgets
    /// than time steps, and with several where one head serves all.
    pub fn from_published(
        bytes: &[u8],
        cfg: &ModelConfig,
        space: &SearchSpace,
        budgets: &[u32],
    ) -> Result<Self, CheckpointError> {
        if bytes.len() > MAX_SIZE_BYTES {
            return Err(CheckpointError::TooLarge { size_bytes: bytes.len() as u64 });
        }
        let n_heads = budgets.len().max(1);
        if cfg.heads == Heads::LastStep && n_heads > 1 {
            let problem = "the outputs of a head that serves several budgets are not published".to_owned();
            return Err(CheckpointError::Inconsistent(problem));
        }
        let Some(first_step) = (cfg.n_steps() + 1).checked_sub(n_heads).filter(|step| *step >= 1) else {
            let problem =
                format!("{n_heads} budgets need as many time steps, the model has {}", cfg.n_steps());
            return Err(CheckpointError::Inconsistent(problem));
        };
        let mismatch = |refusal: candle_core::Error| CheckpointError::tensors(&refusal);
        let mut tensors = BTreeMap::new();
        for (name, tensor) in candle_core::safetensors::load_buffer(bytes, &Device::Cpu).map_err(mismatch)? {
            if earlier_step(&name).is_none_or(|step| step >= first_step) {
                tensors.insert(name, tensor.to_dtype(DType::F32).map_err(mismatch)?);
            }
        }
        let steps = (first_step..=cfg.n_steps()).enumerate().map(|(index, step)| StepHead {
            step,
            budget: budgets.get(index).copied(),
            calibration: None,
        });
        let header = Header {
            format_version: FORMAT_VERSION,
            predictor_kind: cfg.encoder.kind(),
            members: vec![Member::new(0, 1, 0)],
            model: cfg.clone(),
            space: space.name.clone(),
            definition: Header::definition_of(space),
            task: None,
            steps: steps.collect(),
            trained_on: SeenClasses::default(),
            saliencies: None,
            holdout: None,
            training: serde_json::Value::Null,
            report: serde_json::Value::Null,
        };
        Self::new(&header, &tensors)
    }

    /// The tensors as a state dict that the published implementation loads: a safetensors file without our header. Where
    /// the encoder sees one representative of a class, it is to be given that there, too.
    ///
    /// # Errors
    /// When there are several members, or a tensor cannot be copied, or keeps statistics of the training set, which the
    /// published implementation has no place for: features beside the embedding, or saliencies in one scale.
    pub fn to_published(&self) -> Result<Vec<u8>, CheckpointError> {
        let [member] = self.header().members.as_slice() else {
            let problem = "the published implementation has no place for several members".to_owned();
            return Err(CheckpointError::Inconsistent(problem));
        };
        let names = SafeTensors::deserialize(self.as_bytes())?;
        let prefix = member.tensor_name("");
        let published = |name: &str| name.strip_prefix(&prefix).unwrap_or(name).to_owned();
        if let Some(name) = names.names().into_iter().map(published).filter(|name| is_statistic(name)).min() {
            let problem = format!("the published implementation has no place for tensor {name}");
            return Err(CheckpointError::Inconsistent(problem));
        }
        let tensors: BTreeMap<String, Tensor> = self
            .tensors(&Device::Cpu)?
            .into_iter()
            .map(|(name, tensor)| (published(&name), tensor))
            .collect();
        tensor_file::write_plain(&tensors).map_err(|refusal| CheckpointError::tensors(&refusal))
    }
}

/// The time step, from 1, of a tensor that belongs to the head of one before the last.
fn earlier_step(name: &str) -> Option<usize> {
    let (index, _) = name.strip_prefix(EARLIER_HEADS)?.split_once('.')?;
    Some(index.parse::<usize>().ok()? + 1)
}
