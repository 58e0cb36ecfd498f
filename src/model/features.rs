//! What is known of an architecture's network as a whole, beside its graph: heads read it after the embedding.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::model::config::ConfigError;
use crate::model::statistics::{Scale, Statistics};
use crate::model::{Input, InputError};
use crate::space::SearchSpace;

/// What tensors of features are named after.
const PREFIX: &str = "features";
/// Parameters and FLOPs.
const N_COSTS: usize = 2;

/// Which whole-network features heads read; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Logarithms of the parameters and FLOPs of what the output depends on.
    #[serde(default)]
    pub cost: bool,
    /// Sums of so many saliency metrics over all operations; architectures that come without saliencies count as average.
    #[serde(default)]
    pub n_metrics: usize,
}

impl Features {
    /// How many numbers an architecture has.
    #[must_use]
    pub fn dim(self) -> usize {
        usize::from(self.cost) * N_COSTS + self.n_metrics
    }

    pub(in crate::model) fn check_space(self, space: &SearchSpace) -> std::result::Result<(), ConfigError> {
        if self.cost && space.skeleton().is_none() {
            let problem = format!("{} names no network whose parameters could be counted", space.name);
            return Err(ConfigError { field: "features.cost".to_owned(), problem });
        }
        Ok(())
    }

    /// Checks that saliencies, where there are any, are as many as these features sum up.
    pub(in crate::model) fn check_input(self, input: &Input<'_>) -> std::result::Result<(), InputError> {
        match input.saliencies {
            Some(saliencies) if self.n_metrics > 0 && saliencies.n_metrics() != self.n_metrics => {
                Err(InputError::SaliencyShape {
                    found: format!("{} x {}", saliencies.n_operations(), saliencies.n_metrics()),
                    expected: format!("{} x {}", input.architecture.n_places(), self.n_metrics),
                })
            }
            _ => Ok(()),
        }
    }

    /// The features of an architecture, none where they are not known.
    fn of(self, input: &Input<'_>) -> Vec<Option<f64>> {
        let mut features = Vec::with_capacity(self.dim());
        if self.cost {
            let cost = input.architecture.live_cost();
            features.extend(
                [cost.map(|cost| cost.parameters), cost.map(|cost| cost.flops)]
                    .map(|count| count.map(|count| (count as f64).ln_1p())),
            );
        }
        features.extend((0..self.n_metrics).map(|metric| {
            let of_operation = |saliencies: &crate::space::Saliencies| {
                (0..saliencies.n_operations()).map(|operation| saliencies.operation(operation)[metric]).sum()
            };
            input.saliencies.map(of_operation)
        }));
        features
    }
}

/// Mean and deviation of each feature over the inputs that have it, and what their tensors are named after; `None`
/// where there are no features.
pub(in crate::model) fn feature_statistics(
    features: Features,
    inputs: &[Input<'_>],
) -> Option<(&'static str, Statistics)> {
    let rows: Vec<_> = inputs.iter().map(|input| features.of(input)).collect();
    (features.dim() > 0).then(|| (PREFIX, Statistics::of(features.dim(), &rows)))
}

/// Whether a tensor keeps statistics of features: it says something of the training set and is not learnt.
pub(in crate::model) fn is_statistic(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('.'))
}

/// Standardises features as on the training set.
#[derive(Debug)]
pub(in crate::model) struct Standardised {
    features: Features,
    scale: Scale,
}

impl Standardised {
    /// Of the statistics in `vb`; `None` where there are no features.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(features: Features, vb: &VarBuilder) -> Result<Option<Self>> {
        let (dim, vb) = (features.dim(), vb.pp(PREFIX));
        if dim == 0 {
            return Ok(None);
        }
        Ok(Some(Self { features, scale: Scale::new(dim, &vb)? }))
    }

    /// A row for each input, zero where a feature is not known; then rows of zeros up to `n_rows`:
    /// `[n_rows, n_features]`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn rows(&self, inputs: &[Input<'_>], n_rows: usize) -> Result<Tensor> {
        let dim = self.features.dim();
        let mut values: Vec<Option<f64>> = inputs.iter().flat_map(|input| self.features.of(input)).collect();
        values.resize(n_rows * dim, None);
        let is_known: Vec<f64> = values.iter().map(|value| f64::from(u8::from(value.is_some()))).collect();
        let values: Vec<f64> = values.into_iter().map(Option::unwrap_or_default).collect();
        let tensor = |values: Vec<f64>| {
            let mean = &self.scale.mean;
            Tensor::from_vec(values, (n_rows, dim), mean.device())?.to_dtype(mean.dtype())
        };
        self.scale.rows(&tensor(values)?, &tensor(is_known)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelConfig, Variables, training_statistics};
    use crate::space::{Saliencies, nasbench201};
    use candle_core::{DType, Device};

    #[test]
    fn features_are_standardised_on_the_training_set_and_zero_where_unknown() {
        let features = Features { cost: true, n_metrics: 1 };
        let sample = nasbench201().sample(40, 0);
        let saliencies: Vec<Saliencies> =
            (0..40).map(|it| Saliencies::new(1, vec![f64::from(it); 6]).expect("finite")).collect();
        let inputs: Vec<Input<'_>> = sample
            .iter()
            .zip(&saliencies)
            .map(|(architecture, saliencies)| Input { architecture, saliencies: Some(saliencies) })
            .collect();
        let variables = Variables::new(0);
        let standardised =
            Standardised::new(features, &variables.builder(DType::F32, &Device::Cpu)).unwrap().unwrap();
        let cfg = ModelConfig { features, ..ModelConfig::default() };
        for (name, tensor) in training_statistics(&cfg, &inputs).unwrap() {
            variables.by_name()[&name].set(&tensor).unwrap();
        }
        let rows: Vec<Vec<f32>> = standardised.rows(&inputs, 41).unwrap().to_vec2().unwrap();
        for feature in 0..3 {
            let of_inputs = rows[..40].iter().map(|row| f64::from(row[feature]));
            assert!(of_inputs.clone().sum::<f64>().abs() < 1e-3, "{rows:?}");
            assert!((of_inputs.map(|value| value * value).sum::<f64>() - 40.0).abs() < 1e-2, "{rows:?}");
        }
        assert_eq!(rows[40], [0.0; 3]);
        let without = standardised.rows(&[Input::from(&sample[0])], 1).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(without[0], [rows[0][0], rows[0][1], 0.0]);
    }

    #[test]
    fn what_has_no_path_to_the_output_costs_nothing() {
        let cost = |text: &str| nasbench201().parse(text).expect("valid").live_cost();
        let dead = "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|";
        assert_eq!(cost(dead), cost("|none~0|+|none~0|none~1|+|avg_pool_3x3~0|none~1|none~2|"));
        let live = dead.replace("none~1|none~2", "skip_connect~1|none~2");
        assert_eq!(cost(&live), nasbench201().parse(&live).expect("valid").cost());
    }
}
