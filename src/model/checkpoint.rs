//! A trained predictor as one safetensors file: tensors under the published names and, in its
//! header, all that is needed to serve it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{Calibration, ConfigError, Heads, ModelConfig, PredictorKind, SeenClasses, tensor_file};
use crate::space::{self, SaliencyOrigin, SearchSpace};

/// The version of the header this binary writes. It reads all from format 1 on: in 1 the model is
/// flat, which [`ModelConfig`] reads, too.
pub const FORMAT_VERSION: u32 = 2;
const OLDEST_FORMAT_VERSION: u32 = 1;

/// No file larger than this is read: the largest published predictor has 8 MB.
pub const MAX_SIZE_BYTES: usize = 64 << 20;

/// Networks whose scores are averaged, at most.
pub const MAX_MEMBERS: usize = 16;

/// The key of our header among the metadata of a safetensors file.
const HEADER_KEY: &str = "tagates";

/// Everything about a checkpoint but its tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`FORMAT_VERSION`], whatever the file was written in: this is the header as it would be written now.
    pub format_version: u32,
    /// Which predictor the tensors are of: that of the model's encoder.
    pub predictor_kind: PredictorKind,
    /// The networks whose scores are averaged, 1 to [`MAX_MEMBERS`].
    pub members: Vec<Member>,
    /// The shape of every member.
    pub model: ModelConfig,
    /// Search space the predictor scores.
    pub space: String,
    /// Its definition, where it is no built-in one, so that the file alone can be served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<SearchSpace>,
    /// Task it was trained for, where it was trained for one.
    pub task: Option<String>,
    /// The scored time steps, ascending, the final one last.
    pub steps: Vec<StepHead>,
    /// The classes of the architectures it was trained on.
    pub trained_on: SeenClasses,
    /// How the saliencies were measured that it was trained on, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saliencies: Option<SaliencyOrigin>,
    /// The rule by which architectures were kept back from training, where there was one.
    pub holdout: Option<HoldoutRule>,
    /// The whole configuration of the training, as the trainer wrote it.
    pub training: serde_json::Value,
    /// What was measured after training, as the trainer wrote it.
    pub report: serde_json::Value,
}

/// One network of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// What its tensors' names start with, before a dot. Empty where they stand under their own names.
    pub tensor_prefix: String,
    /// The seed it was trained from.
    pub seed: u64,
}

impl Member {
    /// The `index`-th of `n_members`. One alone has its tensors under the published names.
    #[must_use]
    pub fn new(index: usize, n_members: usize, seed: u64) -> Self {
        let tensor_prefix = if n_members == 1 { String::new() } else { format!("members.{index}") };
        Self { tensor_prefix, seed }
    }

    /// The name that one of its tensors has in the file.
    #[must_use]
    pub fn tensor_name(&self, name: &str) -> String {
        match self.tensor_prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}.{name}"),
        }
    }
}

/// A scored time step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepHead {
    /// The time step, 1 to T.
    pub step: usize,
    /// The training budget, in epochs, whose metric it predicts.
    pub budget: Option<u32>,
    /// From its raw score to the unit of the task.
    pub calibration: Option<Calibration>,
}

/// See `domain::Holdout`, which this room does not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldoutRule {
    /// Salt of the hash of canonical ids.
    pub salt: String,
    /// Share of the classes kept back.
    pub share: f64,
}

/// Why bytes are no checkpoint that can be served.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read.
    #[error("could not read the checkpoint")]
    Io(#[from] io::Error),
    /// Larger than [`MAX_SIZE_BYTES`].
    #[error("checkpoint of {size_bytes} bytes is larger than the {MAX_SIZE_BYTES} bytes that are accepted")]
    TooLarge {
        /// Size of the file.
        size_bytes: u64,
    },
    /// No safetensors file, or a truncated one.
    #[error("not a whole safetensors file")]
    Container(#[from] safetensors::SafeTensorError),
    /// A safetensors file without our header.
    #[error("safetensors file has no '{HEADER_KEY}' header: it was not written by tagates")]
    NoHeader,
    /// A header that does not parse.
    #[error("checkpoint header cannot be read")]
    Header(#[from] serde_json::Error),
    /// A header of another version.
    #[error(
        "checkpoint format {found} is not one that this binary reads, {OLDEST_FORMAT_VERSION} to {FORMAT_VERSION}"
    )]
    FormatVersion {
        /// What the header says.
        found: u32,
    },
    /// A header that describes no model.
    #[error("checkpoint header: {0}")]
    Config(ConfigError),
    /// A header whose parts do not fit each other.
    #[error("checkpoint header: {0}")]
    Inconsistent(String),
    /// Tensors that are not those of the model described.
    #[error("checkpoint tensors do not match its header: {0}")]
    Mismatch(String),
}

impl From<ConfigError> for CheckpointError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl CheckpointError {
    /// Tensors that candle refused, without the stack trace that it may add.
    pub(in crate::model) fn tensors(refusal: &candle_core::Error) -> Self {
        Self::Mismatch(refusal.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

/// The bytes of a trained predictor, checked as far as it can be without building it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    header: Header,
    bytes: Arc<[u8]>,
}

impl Checkpoint {
    /// Puts a trained predictor together.
    ///
    /// # Errors
    /// When a tensor cannot be copied to the CPU as f32, or the result would not be read back.
    pub fn new(header: &Header, tensors: &BTreeMap<String, Tensor>) -> Result<Self, CheckpointError> {
        let header = serde_json::to_string(header)?;
        let bytes = tensor_file::write(tensors, HEADER_KEY, header)
            .map_err(|refusal| CheckpointError::tensors(&refusal))?;
        Self::from_bytes(&bytes)
    }

    /// Reads a checkpoint. Nothing is allocated by what the file says of itself.
    ///
    /// # Errors
    /// When the bytes are too many, truncated, no safetensors file of ours, of another format
    /// version, or describe no model of bounded size, or a tensor is not finite f32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        if bytes.len() > MAX_SIZE_BYTES {
            return Err(CheckpointError::TooLarge { size_bytes: bytes.len() as u64 });
        }
        let header = tensor_file::header(bytes, HEADER_KEY)?.ok_or(CheckpointError::NoHeader)?;
        let header = Header::parse(&header)?;
        for (name, tensor) in SafeTensors::deserialize(bytes)?.iter() {
            check_values(name, &tensor)?;
        }
        Ok(Self { header, bytes: bytes.into() })
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], and when the file cannot be read.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(&read_bounded(path)?)
    }

    /// The same tensors under another header.
    ///
    /// # Errors
    /// When the header does not describe them, or could not be read back.
    pub fn with_header(&self, header: &Header) -> Result<Self, CheckpointError> {
        Self::new(header, &self.tensors(&Device::Cpu)?.into_iter().collect())
    }

    /// What the file says of itself.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// All tensors, on `device`.
    pub(in crate::model) fn tensors(
        &self,
        device: &Device,
    ) -> Result<HashMap<String, Tensor>, CheckpointError> {
        candle_core::safetensors::load_buffer(&self.bytes, device)
            .map_err(|refusal| CheckpointError::tensors(&refusal))
    }
}

impl Header {
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        /// The one field every format has.
        #[derive(Deserialize)]
        struct Version {
            format_version: u32,
        }
        let Version { format_version } = serde_json::from_str(text)?;
        if !(OLDEST_FORMAT_VERSION..=FORMAT_VERSION).contains(&format_version) {
            return Err(CheckpointError::FormatVersion { found: format_version });
        }
        let header = Self { format_version: FORMAT_VERSION, ..serde_json::from_str(text)? };
        header.model.validate()?;
        header.validate()?;
        Ok(header)
    }

    /// The [`Self::definition`] of a predictor of `space`.
    #[must_use]
    pub fn definition_of(space: &SearchSpace) -> Option<SearchSpace> {
        let is_builtin = space::builtin(&space.name).is_some_and(|builtin| *builtin == *space);
        (!is_builtin).then(|| space.clone())
    }

    /// The space of the predictor.
    ///
    /// # Errors
    /// When it is no built-in one and the header does not define it either, or defines another.
    pub fn search_space(&self) -> Result<Arc<SearchSpace>, CheckpointError> {
        match &self.definition {
            Some(definition) if definition.name != self.space => {
                let problem =
                    format!("defines {:?}, which is not its space {:?}", definition.name, self.space);
                Err(CheckpointError::Inconsistent(problem))
            }
            Some(definition) => Ok(Arc::new(definition.clone())),
            None => space::builtin(&self.space).ok_or_else(|| {
                CheckpointError::Inconsistent(format!(
                    "space {:?} is neither built in nor defined",
                    self.space
                ))
            }),
        }
    }

    fn validate(&self) -> Result<(), CheckpointError> {
        let inconsistent = |problem: String| Err(CheckpointError::Inconsistent(problem));
        let n_members = self.members.len();
        if !(1..=MAX_MEMBERS).contains(&n_members) {
            return inconsistent(format!("has {n_members} members, not 1 to {MAX_MEMBERS}"));
        }
        let prefixes: BTreeSet<&str> =
            self.members.iter().map(|member| member.tensor_prefix.as_str()).collect();
        if prefixes.len() < n_members {
            return inconsistent("two members have the same tensors".into());
        }
        if self.predictor_kind != self.model.encoder.kind() {
            let (kind, encoder) = (self.predictor_kind, self.model.encoder.kind());
            return inconsistent(format!("predictor kind {kind} where the encoder is of {encoder}"));
        }
        let n_steps = self.model.n_steps();
        let are_sound = match self.model.heads {
            Heads::PerStep => self.steps.is_sorted_by(|a, b| a.step < b.step),
            Heads::LastStep => self.steps.iter().all(|head| head.step == n_steps),
        };
        if !are_sound {
            return inconsistent("steps do not ascend, or are not the last where all share it".into());
        }
        let space = self.search_space()?;
        self.model.check_space(&space)?;
        if self.steps.first().is_none_or(|head| head.step == 0)
            || self.steps.last().is_none_or(|head| head.step != n_steps)
        {
            return inconsistent(format!("steps do not lie in 1 to {n_steps} and end with {n_steps}"));
        }
        let n_calibrated = self.steps.iter().filter(|head| head.calibration.is_some()).count();
        if n_calibrated != 0 && n_calibrated != self.steps.len() {
            return inconsistent("some steps are calibrated and some are not".into());
        }
        Ok(())
    }
}

/// The bytes of a file that may be a checkpoint.
///
/// # Errors
/// When it cannot be read, or has more than [`MAX_SIZE_BYTES`].
pub fn read_bounded(path: &Path) -> Result<Vec<u8>, CheckpointError> {
    let file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    if size_bytes > MAX_SIZE_BYTES as u64 {
        return Err(CheckpointError::TooLarge { size_bytes });
    }
    // A pipe or a file that grows says nothing of its size.
    let mut bytes = Vec::new();
    file.take(MAX_SIZE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_SIZE_BYTES {
        return Err(CheckpointError::TooLarge { size_bytes: bytes.len() as u64 });
    }
    Ok(bytes)
}

fn check_values(name: &str, tensor: &TensorView<'_>) -> Result<(), CheckpointError> {
    if tensor.dtype() != Dtype::F32 {
        return Err(CheckpointError::Mismatch(format!("{name} is {:?}, not F32", tensor.dtype())));
    }
    let (values, _) = tensor.data().as_chunks::<4>();
    if values.iter().all(|&bytes| f32::from_le_bytes(bytes).is_finite()) {
        Ok(())
    } else {
        Err(CheckpointError::Mismatch(format!("{name} holds a value that is not finite")))
    }
}
