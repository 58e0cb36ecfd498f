//! The state of a training run as bytes, to be resumed from.

use std::collections::{BTreeMap, HashMap};

use candle_core::{Device, Tensor, Var};
use serde::{Deserialize, Serialize};

use crate::fit::adam::Moments;
use crate::model::tensor_file;

const HEADER_KEY: &str = "tagates_training";
const FIRST: &str = "optimizer.first.";
const SECOND: &str = "optimizer.second.";
const AVERAGE: &str = "average.";

/// Everything that changes from epoch to epoch.
#[derive(Debug)]
pub struct State {
    /// Epochs made.
    pub n_epochs_done: usize,
    /// Of each network that is trained.
    pub members: Vec<MemberState>,
}

/// Of one network.
#[derive(Debug)]
pub struct MemberState {
    /// Steps of the optimiser made.
    pub n_steps: u32,
    /// Values of the variables.
    pub variables: BTreeMap<String, Tensor>,
    /// Moments of the optimiser.
    pub moments: BTreeMap<String, Moments>,
    /// Means of the variables over the epochs that count for it so far.
    pub average: BTreeMap<String, Tensor>,
}

/// Why bytes are no state a run can go on from.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not written by a training run, or damaged.
    #[error("not the whole state of a training run: {0}")]
    Damaged(String),
    /// Of a run with another configuration, dataset or seed.
    #[error("the state is of another training run: configuration, rows or seed differ")]
    OtherRun,
}

impl From<candle_core::Error> for StateError {
    fn from(error: candle_core::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// What a state of any version says.
#[derive(Deserialize)]
struct OfRun {
    fingerprint: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    fingerprint: String,
    n_epochs_done: usize,
    /// Steps of the optimiser that each member made.
    n_steps: Vec<u32>,
}

impl State {
    /// The state of the run that `fingerprint` names, as a safetensors file.
    pub fn write(&self, fingerprint: &str) -> Result<Vec<u8>, StateError> {
        let header = Header {
            fingerprint: fingerprint.to_owned(),
            n_epochs_done: self.n_epochs_done,
            n_steps: self.members.iter().map(|member| member.n_steps).collect(),
        };
        let header =
            serde_json::to_string(&header).map_err(|error| StateError::Damaged(error.to_string()))?;
        let of_member = |(index, member): (usize, &MemberState)| {
            member.tensors().into_iter().map(move |(name, tensor)| (format!("{index}.{name}"), tensor))
        };
        let tensors = self.members.iter().enumerate().flat_map(of_member).collect();
        Ok(tensor_file::write(&tensors, HEADER_KEY, header)?)
    }

    /// Reads what [`Self::write`] wrote for the same run, onto `device`.
    pub fn read(bytes: &[u8], fingerprint: &str, device: &Device) -> Result<Self, StateError> {
        let damaged = |error: &dyn std::error::Error| StateError::Damaged(error.to_string());
        let header = tensor_file::header(bytes, HEADER_KEY)
            .map_err(|error| damaged(&error))?
            .ok_or_else(|| StateError::Damaged(format!("no '{HEADER_KEY}' header")))?;
        let of_run: OfRun = serde_json::from_str(&header).map_err(|error| damaged(&error))?;
        if of_run.fingerprint != fingerprint {
            return Err(StateError::OtherRun);
        }
        let header: Header = serde_json::from_str(&header).map_err(|error| damaged(&error))?;
        let mut of_members = vec![HashMap::new(); header.n_steps.len()];
        for (name, tensor) in candle_core::safetensors::load_buffer(bytes, device)? {
            let (index, name_in_member) = name.split_once('.').unwrap_or_default();
            let of_member = index.parse().ok().and_then(|index: usize| of_members.get_mut(index));
            let of_member =
                of_member.ok_or_else(|| StateError::Damaged(format!("tensor {name} is of no member")))?;
            of_member.insert(name_in_member.to_owned(), tensor);
        }
        let members = header.n_steps.into_iter().zip(of_members);
        let members = members.map(|(n_steps, tensors)| MemberState::new(n_steps, tensors));
        Ok(Self { n_epochs_done: header.n_epochs_done, members: members.collect::<Result<_, _>>()? })
    }
}

impl MemberState {
    fn new(n_steps: u32, tensors: HashMap<String, Tensor>) -> Result<Self, StateError> {
        let (mut variables, mut average) = (BTreeMap::new(), BTreeMap::new());
        let (mut firsts, mut seconds) = (BTreeMap::new(), BTreeMap::new());
        for (name, tensor) in tensors {
            if let Some(name) = name.strip_prefix(FIRST) {
                firsts.insert(name.to_owned(), tensor);
            } else if let Some(name) = name.strip_prefix(SECOND) {
                seconds.insert(name.to_owned(), tensor);
            } else if let Some(name) = name.strip_prefix(AVERAGE) {
                average.insert(name.to_owned(), tensor);
            } else {
                variables.insert(name, tensor);
            }
        }
        let moments = firsts
            .into_iter()
            .map(|(name, first)| {
                let second = seconds
                    .remove(&name)
                    .ok_or_else(|| StateError::Damaged(format!("no second moment of {name}")))?;
                Ok((name, Moments { first, second }))
            })
            .collect::<Result<_, StateError>>()?;
        Ok(Self { n_steps, variables, moments, average })
    }

    /// All of them in one map, whose names [`Self::new`] tells apart.
    fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut tensors = self.variables.clone();
        for (name, moments) in &self.moments {
            tensors.insert(format!("{FIRST}{name}"), moments.first.clone());
            tensors.insert(format!("{SECOND}{name}"), moments.second.clone());
        }
        tensors.extend(self.average.iter().map(|(name, mean)| (format!("{AVERAGE}{name}"), mean.clone())));
        tensors
    }

    /// Gives `variables` the stored values.
    pub fn restore(&self, variables: &BTreeMap<String, Var>) -> Result<(), StateError> {
        for (name, variable) in variables {
            let value =
                self.variables.get(name).ok_or_else(|| StateError::Damaged(format!("no tensor {name}")))?;
            variable.set(value)?;
        }
        Ok(())
    }
}
