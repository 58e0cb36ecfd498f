//! The MLP baseline: reads the choices that make up an architecture as numbers, of which it knows nothing.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Module, VarBuilder};

use crate::model::encoder::{Encode, Noise, Padding, sequence};
use crate::model::layers::Mlp;
use crate::model::{Input, MlpConfig};
use crate::space::SearchSpace;

/// Layers over the numbers of a sequence, or those numbers themselves.
#[derive(Debug)]
pub struct MlpEncoder {
    dim: usize,
    layers: Mlp,
    dtype: DType,
    device: Device,
}

impl MlpEncoder {
    /// An encoder for `space`. Published ones have no layers; the names of ours are our own.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(cfg: &MlpConfig, space: &SearchSpace, vb: &VarBuilder) -> Result<Self> {
        let n_choices = sequence::choices(space).len();
        Ok(Self {
            dim: cfg.dims.last().copied().unwrap_or(n_choices),
            layers: Mlp::new(n_choices, &cfg.dims, &vb.pp("layers"))?,
            dtype: vb.dtype(),
            device: vb.device().clone(),
        })
    }
}

impl Encode for MlpEncoder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn embed(&self, inputs: &[Input<'_>], _: &mut Noise<'_>, padding: Padding) -> Result<Vec<Tensor>> {
        let inputs = padding.fill(inputs);
        let numbers: Vec<u32> =
            inputs.iter().flat_map(|input| sequence::numbers(input.architecture)).collect();
        let n_numbers = numbers.len() / inputs.len().max(1);
        let numbers = Tensor::from_vec(numbers, (inputs.len(), n_numbers), &self.device)?;
        Ok(vec![self.layers.forward(&numbers.to_dtype(self.dtype)?)?])
    }
}
