//! Second derivatives: candle has none, so they are taken by differences of first ones.

use candle_core::{DType, Result, Tensor};

use super::slope::Slope;
use crate::zero_cost::batch::Batch;
use crate::zero_cost::network::{Network, Parameters};

/// How far from the weights, as a share of their norm, slopes are taken. Farther, the curvature is not the same any more;
/// nearer, the slopes differ by little more than their rounding.
pub const STEP: f64 = 5e-5;

/// The product of the loss's Hessian with its slope, units held on their side of each kink: as automatic
/// differentiation has it, to which a kink has no curvature. Slopes are taken `step` times the norm of the weights away.
///
/// # Errors
/// When a tensor operation fails.
pub fn of_loss(
    network: &Network,
    parameters: &Parameters,
    batch: &Batch,
    slope: &Slope,
    step: f64,
) -> Result<Vec<Tensor>> {
    let slope_at = |weights: &[Tensor]| {
        let parameters = Parameters { weights: weights.to_vec(), bias: parameters.bias.clone() };
        Slope::of_held_loss(network, &parameters, batch, &slope.kinks)
    };
    along(slope_at, &parameters.weights, &slope.weights, step)
}

/// How the slope changes along a direction, by the central difference of slopes `step` times the norm of the weights
/// away.
///
/// # Errors
/// When a tensor operation fails.
pub fn along(
    slope_at: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    weights: &[Tensor],
    direction: &[Tensor],
    step: f64,
) -> Result<Vec<Tensor>> {
    let length = norm(direction)?;
    if length == 0.0 {
        return weights.iter().map(Tensor::zeros_like).collect();
    }
    let step = step * norm(weights)? / length;
    let moved = |step: f64| {
        let pairs = weights.iter().zip(direction);
        slope_at(&pairs.map(|(weight, direction)| weight + (direction * step)?).collect::<Result<Vec<_>>>()?)
    };
    let (ahead, behind) = (moved(step)?, moved(-step)?);
    ahead.iter().zip(&behind).map(|(ahead, behind)| (ahead - behind)? / (2.0 * step)).collect()
}

fn norm(tensors: &[Tensor]) -> Result<f64> {
    let squares =
        tensors.iter().map(|tensor| tensor.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar::<f64>());
    Ok(squares.sum::<Result<f64>>()?.sqrt())
}
