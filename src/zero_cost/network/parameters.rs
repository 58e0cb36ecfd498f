//! The values of a network's parameters.

use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Network;

/// Values of all weights, and of the classifier's bias. Scales and shifts of batch normalisation are one and zero.
#[derive(Clone, Debug)]
pub struct Parameters {
    /// `[out, fan in]` each, in the order of [`Network::weights`].
    pub weights: Vec<Tensor>,
    /// `[classes]`
    pub bias: Tensor,
}

impl Parameters {
    /// What PyTorch's layers begin with, from U(-1/sqrt(fan in), 1/sqrt(fan in)): drawn from the seed alone, in the
    /// order in which layers are laid out, operations of a cell as written. They are tensors of `device`.
    ///
    /// # Errors
    /// When tensors cannot be made.
    pub fn initial(network: &Network, seed: u64, device: &Device) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |dims: &[usize], fan_in: usize| {
            let bound = (fan_in as f32).sqrt().recip();
            let values: Vec<f32> =
                (0..dims.iter().product()).map(|_| rng.random_range(-bound..bound)).collect();
            Tensor::from_vec(values, dims, device)
        };
        let weights = network.weights.iter();
        let weights = weights.map(|weight| draw(&[weight.channels_out, weight.fan_in], weight.fan_in));
        let weights = weights.collect::<Result<Vec<_>>>()?;
        let bias = draw(&[network.n_classes], network.weights.last().map_or(1, |weight| weight.fan_in))?;
        Ok(Self { weights, bias })
    }

    /// The absolute values, in double precision.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn absolute(&self) -> Result<Self> {
        self.map(|values| values.abs()?.to_dtype(DType::F64))
    }

    /// The same with each of its tensors changed.
    ///
    /// # Errors
    /// When a change fails.
    pub fn map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let weights = self.weights.iter().map(&change).collect::<Result<_>>()?;
        Ok(Self { weights, bias: change(&self.bias)? })
    }

    /// The same values as variables, whose gradients are computed.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn variables(&self) -> Result<Self> {
        let variable = |values: &Tensor| Ok(Var::from_tensor(values)?.into_inner());
        let weights = self.weights.iter().map(variable).collect::<Result<_>>()?;
        Ok(Self { weights, bias: self.bias.clone() })
    }
}
