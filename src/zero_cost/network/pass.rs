//! One way of a mini-batch through a network.

use candle_core::{Result, Tensor, Var, bail};

use super::{Layer, Network, Operation, Parameters};
use crate::zero_cost::layers::{Kinks, average_pool, convolution, depthwise_convolution, normalise};

/// What a network is computed with.
#[derive(Debug)]
pub struct Pass<'a> {
    parameters: &'a Parameters,
    /// Factors of each channel of each image that a weight makes, `[out, images]`: ones.
    pub gates: Vec<Tensor>,
    /// Whether batch normalisation is on.
    normalises: bool,
    /// Which sides of their kinks units are on.
    pub kinks: Kinks,
}

impl<'a> Pass<'a> {
    /// A pass with these parameters, kinks yet to be found.
    ///
    /// # Errors
    /// When tensors cannot be made.
    pub fn new(network: &Network, parameters: &'a Parameters, n_images: usize) -> Result<Self> {
        let (dtype, device) = (parameters.bias.dtype(), parameters.bias.device());
        let ones = |channels: usize| Tensor::ones((channels, n_images), dtype, device);
        let gates = network.weights.iter().map(|weight| ones(weight.channels_out)).collect::<Result<_>>()?;
        Ok(Self { parameters, gates, normalises: true, kinks: Kinks::unknown() })
    }

    /// Without batch normalisation.
    pub fn unnormalised(self) -> Self {
        Self { normalises: false, ..self }
    }

    /// With units on these sides of their kinks.
    pub fn with_kinks(self, kinks: Kinks) -> Self {
        Self { kinks, ..self }
    }

    /// With gates as variables, whose gradients are computed.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn with_variable_gates(self) -> Result<Self> {
        let variables = self.gates.iter().map(|gate| Ok(Var::from_tensor(gate)?.into_inner()));
        Ok(Self { gates: variables.collect::<Result<_>>()?, ..self })
    }
}

impl Network {
    /// The outputs for images. Layers whose results nothing reads are not computed.
    ///
    /// # Shapes
    /// - `images`: `[colours, images, side, side]`
    /// - returns `[classes, images]`
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn forward(&self, images: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        let is_read = self.is_read();
        let mut made: Vec<Option<Tensor>> = vec![None; self.layers.len()];
        for (index, layer) in self.layers.iter().enumerate().filter(|(index, _)| is_read[*index]) {
            let inputs = layer.inputs.iter().map(|input| made[*input].clone());
            let inputs =
                inputs.collect::<Option<Vec<_>>>().expect("layers read earlier ones, which are read then");
            made[index] = Some(self.layer(layer, images, &inputs, pass)?);
        }
        Ok(made.pop().flatten().expect("the last layer is the output"))
    }

    /// Whether each layer leads to the output.
    fn is_read(&self) -> Vec<bool> {
        let mut is_read = vec![false; self.layers.len()];
        is_read.last_mut().into_iter().for_each(|last| *last = true);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            if is_read[index] {
                layer.inputs.iter().for_each(|input| is_read[*input] = true);
            }
        }
        is_read
    }

    fn layer(
        &self,
        layer: &Layer,
        images: &Tensor,
        inputs: &[Tensor],
        pass: &mut Pass<'_>,
    ) -> Result<Tensor> {
        let n_images = images.dim(1)?;
        let weights = &pass.parameters.weights;
        match (layer.operation, inputs) {
            (Operation::Images, []) => Ok(images.clone()),
            (Operation::Zeros { channels, side }, []) => {
                Tensor::zeros((channels, n_images, side, side), images.dtype(), images.device())
            }
            (Operation::Relu, [maps]) => pass.kinks.relu(maps),
            (Operation::Convolution { weight, window }, [maps]) => {
                convolution(maps, &weights[weight], &pass.gates[weight], window)
            }
            (Operation::Depthwise { weight, window }, [maps]) => {
                depthwise_convolution(maps, &weights[weight], &pass.gates[weight], window)
            }
            (Operation::Normalise, [maps]) if pass.normalises => normalise(maps),
            (Operation::Normalise, [maps]) => Ok(maps.clone()),
            (Operation::AveragePool(window), [maps]) => average_pool(maps, window),
            (Operation::MaxPool(window), [maps]) => pass.kinks.max_pool(maps, window),
            (Operation::Sum, [first, rest @ ..]) => {
                rest.iter().try_fold(first.clone(), |sum, maps| sum + maps)
            }
            (Operation::Concatenate, parts) => Tensor::cat(parts, 0),
            (Operation::Truncate { channels }, [maps]) => maps.narrow(0, 0, channels),
            (Operation::Classify { weight }, [maps]) => {
                let features = maps.flatten_from(2)?.mean(2)?; // [channels, images]
                let outputs = weights[weight].matmul(&features)?;
                let bias = pass.parameters.bias.reshape((self.n_classes, 1))?;
                outputs.broadcast_add(&bias)? * &pass.gates[weight]
            }
            (operation, inputs) => bail!("{operation:?} does not read {} layers", inputs.len()),
        }
    }
}
