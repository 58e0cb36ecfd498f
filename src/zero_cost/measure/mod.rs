//! The saliencies of an architecture.

mod curvature;
mod slope;
#[cfg(test)]
mod tests;

use candle_core::{DType, Tensor};

use self::slope::Slope;
use crate::space::{Architecture, Saliencies};
use crate::zero_cost::batch::Batch;
use crate::zero_cost::network::{Network, Parameters};
use crate::zero_cost::{Error, Metric, Proxy};

/// What was measured of an architecture: sums over weights, each as its signed logarithm sign(x) ln(1 + |x|), since they
/// are of any size. Weights are those of convolutions and of the classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// For each operation as written the sums over its weights in all cells of the network; zeros where it has none.
    pub operations: Saliencies,
    /// For each metric the sum over all weights of the network, those of stem and head included.
    pub network: Vec<f64>,
    /// Trained numbers of the network.
    pub n_parameters: usize,
}

/// See [`Measurer::measure`](crate::zero_cost::Measurer::measure). The batch is that of the proxy.
pub fn measure(
    architecture: &Architecture,
    proxy: &Proxy,
    seed: u64,
    batch: &Batch,
) -> Result<Measured, Error> {
    let network = Network::of(architecture, proxy)?;
    let parameters = Parameters::initial(&network, seed, batch.images.device())?;
    let by_weight = saliencies_of_weights(&network, &parameters, proxy, batch)?;
    let n_metrics = proxy.metrics.len();
    let mut of_places = vec![0.0; architecture.n_places() * n_metrics];
    let mut of_network = vec![0.0; n_metrics];
    for (metric, values) in by_weight.iter().enumerate() {
        for (weight, value) in network.weights().iter().zip(values) {
            of_network[metric] += value;
            if let Some(place) = weight.place {
                of_places[place * n_metrics + metric] += value;
            }
        }
    }
    Ok(Measured {
        operations: Saliencies::new(n_metrics, of_places.into_iter().map(signed_logarithm).collect())?,
        network: of_network.into_iter().map(signed_logarithm).collect(),
        n_parameters: network.n_parameters(),
    })
}

/// For each metric of the proxy its value for each weight.
fn saliencies_of_weights(
    network: &Network,
    parameters: &Parameters,
    proxy: &Proxy,
    batch: &Batch,
) -> Result<Vec<Vec<f64>>, Error> {
    let of_loss = if proxy.metrics.iter().any(|metric| metric.is_of_loss()) {
        Some(Slope::of_loss(network, parameters, batch)?)
    } else {
        None
    };
    let of_loss = || of_loss.as_ref().expect("computed where a metric is of the loss");
    let weights = &parameters.weights;
    let of_metric = |metric: &Metric| match metric {
        Metric::GradNorm => {
            of_loss().weights.iter().map(|slope| Ok(sum(&slope.sqr()?)?.sqrt())).collect::<Result<_, Error>>()
        }
        Metric::Snip => pairs(weights, &of_loss().weights, |weight, slope| (weight * slope)?.abs()),
        Metric::Plain => pairs(weights, &of_loss().weights, |weight, slope| weight * slope),
        Metric::Grasp => {
            let products = curvature::of_loss(network, parameters, batch, of_loss(), curvature::STEP)?;
            pairs(weights, &products, |weight, product| (weight * product)?.neg())
        }
        Metric::Fisher => {
            let share = 0.5 / proxy.n_images as f64;
            of_loss().gates.iter().map(|slope| Ok(sum(&slope.sqr()?)? * share)).collect()
        }
        Metric::Synflow | Metric::SynflowBn => {
            let absolute = parameters.absolute()?;
            let is_normalised = *metric == Metric::SynflowBn;
            let slope = Slope::of_flow(network, &absolute, proxy.image_side, is_normalised)?;
            pairs(&absolute.weights, &slope, |weight, slope| (weight * slope)?.abs())
        }
    };
    proxy.metrics.iter().map(of_metric).collect()
}

/// The sum of a term for each weight and what belongs to it.
fn pairs(
    weights: &[Tensor],
    others: &[Tensor],
    term: impl Fn(&Tensor, &Tensor) -> candle_core::Result<Tensor>,
) -> Result<Vec<f64>, Error> {
    weights.iter().zip(others).map(|(weight, other)| Ok(sum(&term(weight, other)?)?)).collect()
}

fn sum(values: &Tensor) -> candle_core::Result<f64> {
    values.to_dtype(DType::F64)?.sum_all()?.to_scalar()
}

fn signed_logarithm(sum: f64) -> f64 {
    sum.abs().ln_1p().copysign(sum)
}
