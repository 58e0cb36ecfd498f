//! First derivatives of what a network makes of images.

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor};
use candle_nn::loss::cross_entropy;

use crate::zero_cost::batch::Batch;
use crate::zero_cost::layers::Kinks;
use crate::zero_cost::network::{N_COLOURS, Network, Parameters, Pass};

/// The derivatives of the loss of a mini-batch.
#[derive(Debug)]
pub struct Slope {
    /// By each weight.
    pub weights: Vec<Tensor>,
    /// By a factor of each channel of each image that each weight makes, `[out, images]`.
    pub gates: Vec<Tensor>,
    /// Which sides of their kinks units were on.
    pub kinks: Kinks,
}

impl Slope {
    /// Derivatives of the cross-entropy.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn of_loss(network: &Network, parameters: &Parameters, batch: &Batch) -> Result<Self> {
        let variables = parameters.variables()?;
        let pass = Pass::new(network, &variables, batch.images.dim(1)?)?;
        let mut pass = pass.with_variable_gates()?;
        let gradients = loss(network, batch, &mut pass)?.backward()?;
        Ok(Self {
            weights: each(&gradients, &variables.weights)?,
            gates: each(&gradients, &pass.gates)?,
            kinks: pass.kinks,
        })
    }

    /// Derivatives of the cross-entropy by each weight alone, units held on these sides of their kinks.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn of_held_loss(
        network: &Network,
        parameters: &Parameters,
        batch: &Batch,
        kinks: &Kinks,
    ) -> Result<Vec<Tensor>> {
        let variables = parameters.variables()?;
        let pass = Pass::new(network, &variables, batch.images.dim(1)?)?;
        let mut pass = pass.with_kinks(kinks.fixed());
        let gradients = loss(network, batch, &mut pass)?.backward()?;
        each(&gradients, &variables.weights)
    }

    /// Derivatives by each weight of the sum of the outputs for an image of ones.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn of_flow(
        network: &Network,
        parameters: &Parameters,
        image_side: usize,
        is_normalised: bool,
    ) -> Result<Vec<Tensor>> {
        let variables = parameters.variables()?;
        let pass = Pass::new(network, &variables, 1)?;
        let mut pass = if is_normalised { pass } else { pass.unnormalised() };
        let dims = (N_COLOURS, 1, image_side, image_side);
        let images = Tensor::ones(dims, DType::F64, parameters.bias.device())?;
        let gradients = network.forward(&images, &mut pass)?.sum_all()?.backward()?;
        each(&gradients, &variables.weights)
    }
}

fn loss(network: &Network, batch: &Batch, pass: &mut Pass<'_>) -> Result<Tensor> {
    let outputs = network.forward(&batch.images, pass)?; // [classes, images]
    cross_entropy(&outputs.t()?, &batch.classes)
}

/// The gradient of each variable, zeros where it made no difference.
fn each(gradients: &GradStore, variables: &[Tensor]) -> Result<Vec<Tensor>> {
    let gradient = |variable: &Tensor| {
        gradients.get(variable).map_or_else(|| variable.zeros_like(), |it| Ok(it.clone()))
    };
    variables.iter().map(gradient).collect()
}
