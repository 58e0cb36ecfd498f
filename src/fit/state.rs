//! The state of a training run as bytes, to be resumed from.

use std::collections::BTreeMap;

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

#[derive(Serialize, Deserialize)]
struct Header {
    fingerprint: String,
    n_epochs_done: usize,
    n_steps: u32,
}

impl State {
    /// The state of the run that `fingerprint` names, as a safetensors file.
    pub fn write(&self, fingerprint: &str) -> Result<Vec<u8>, StateError> {
        let header = Header {
            fingerprint: fingerprint.to_owned(),
            n_epochs_done: self.n_epochs_done,
            n_steps: self.n_steps,
        };
        let header =
            serde_json::to_string(&header).map_err(|error| StateError::Damaged(error.to_string()))?;
        let mut tensors = self.variables.clone();
        for (name, moments) in &self.moments {
            tensors.insert(format!("{FIRST}{name}"), moments.first.clone());
            tensors.insert(format!("{SECOND}{name}"), moments.second.clone());
        }
        tensors.extend(self.average.iter().map(|(name, mean)| (format!("{AVERAGE}{name}"), mean.clone())));
        Ok(tensor_file::write(&tensors, HEADER_KEY, header)?)
    }

    /// Reads what [`Self::write`] wrote for the same run, onto `device`.
    pub fn read(bytes: &[u8], fingerprint: &str, device: &Device) -> Result<Self, StateError> {
        let damaged = |error: &dyn std::error::Error| StateError::Damaged(error.to_string());
        let header = tensor_file::header(bytes, HEADER_KEY)
            .map_err(|error| damaged(&error))?
            .ok_or_else(|| StateError::Damaged(format!("no '{HEADER_KEY}' header")))?;
        let header: Header = serde_json::from_str(&header).map_err(|error| damaged(&error))?;
        if header.fingerprint != fingerprint {
            return Err(StateError::OtherRun);
        }
        let (mut variables, mut average) = (BTreeMap::new(), BTreeMap::new());
        let (mut firsts, mut seconds) = (BTreeMap::new(), BTreeMap::new());
        for (name, tensor) in candle_core::safetensors::load_buffer(bytes, device)? {
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
        let Header { n_epochs_done, n_steps, .. } = header;
        Ok(Self { n_epochs_done, n_steps, variables, moments, average })
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
