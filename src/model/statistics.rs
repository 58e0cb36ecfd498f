//! What a training set says of the numbers a model is given, kept in the checkpoint: their means and deviations, so that
//! they come to a network in one scale, whatever theirs is. None of it is learnt.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::model::encoder::saliency_statistics;
use crate::model::features::feature_statistics;
use crate::model::{Input, ModelConfig};

/// What varies less counts as if it did not vary at all: sums that are zero but for rounding, as the plain product of a
/// weight that a normalisation follows, would otherwise be made as large as any other. Logarithms of sums are far above.
const LEAST_DEVIATION: f64 = 1e-3;

/// Mean and standard deviation of each of several numbers.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::model) struct Statistics {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Statistics {
    /// Over rows of `dim` numbers, of which some may not be known. What hardly varies has a deviation of 1.
    pub fn of(dim: usize, rows: &[Vec<Option<f64>>]) -> Self {
        let of_column = |index: usize| {
            let known: Vec<f64> = rows.iter().filter_map(|row| row[index]).collect();
            let n = known.len().max(1) as f64;
            let mean = known.iter().sum::<f64>() / n;
            let deviation = (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            (mean, if deviation > LEAST_DEVIATION { deviation } else { 1.0 })
        };
        let (mean, deviation) = (0..dim).map(of_column).unzip();
        Self { mean, deviation }
    }

    /// The tensors that keep them, by name.
    fn tensors(&self, prefix: &str) -> Result<[(String, Tensor); 2]> {
        let tensor = |name: &str, values: &[f64]| -> Result<(String, Tensor)> {
            let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
            Ok((format!("{prefix}.{name}"), Tensor::new(values.as_slice(), &Device::Cpu)?))
        };
        Ok([tensor("mean", &self.mean)?, tensor("deviation", &self.deviation)?])
    }
}

/// The tensors, by name, that a model of configuration `cfg` which is trained on `inputs` keeps of them.
///
/// # Errors
/// When a tensor cannot be made.
pub fn training_statistics(cfg: &ModelConfig, inputs: &[Input<'_>]) -> Result<BTreeMap<String, Tensor>> {
    let of_features = feature_statistics(cfg.features, inputs);
    let of_saliencies = saliency_statistics(&cfg.encoder, inputs);
    let mut tensors = BTreeMap::new();
    for (prefix, statistics) in [of_features, of_saliencies].into_iter().flatten() {
        tensors.extend(statistics.tensors(prefix)?);
    }
    Ok(tensors)
}

/// Brings numbers into the scale they had on the training set: mean 0, deviation 1.
#[derive(Debug)]
pub(in crate::model) struct Scale {
    /// `[dim]`
    pub mean: Tensor,
    /// `[dim]`
    deviation: Tensor,
}

impl Scale {
    /// By the statistics in `vb`.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(dim: usize, vb: &VarBuilder) -> Result<Self> {
        let mean = vb.get_with_hints(dim, "mean", Init::Const(0.0))?.detach();
        let deviation = vb.get_with_hints(dim, "deviation", Init::Const(1.0))?.detach();
        Ok(Self { mean, deviation })
    }

    /// # Shapes
    /// - `rows`: `[n_rows, dim]`
    /// - `is_known`: `[n_rows, dim]` or `[n_rows, 1]`, 1 where a number counts; where it does not, it becomes 0
    /// - returns `[n_rows, dim]`
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn rows(&self, rows: &Tensor, is_known: &Tensor) -> Result<Tensor> {
        rows.broadcast_sub(&self.mean)?.broadcast_div(&self.deviation)?.broadcast_mul(is_known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hardly_varies_is_not_blown_up() {
        let rows: Vec<_> = [1.0, 3.0, 5.0].map(|value| vec![Some(value), Some(value * 1e-7), None]).to_vec();
        let statistics = Statistics::of(3, &rows);
        assert!((statistics.deviation[0] - (8.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(statistics.deviation[1..], [1.0, 1.0]);
        assert_eq!((statistics.mean[0], statistics.mean[2]), (3.0, 0.0));
    }
}
