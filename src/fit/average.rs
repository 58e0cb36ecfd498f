//! The mean of a network's weights over the last epochs (stochastic weight averaging, Izmailov et al., 2018): at a
//! constant rate the weights after the very last one are as good or bad as it happens.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};

/// A mean that grows with each of the last epochs.
#[derive(Debug, Default)]
pub struct WeightAverage {
    mean: BTreeMap<String, Tensor>,
}

impl WeightAverage {
    /// The mean as it was stored.
    pub fn resumed(mean: BTreeMap<String, Tensor>) -> Self {
        Self { mean }
    }

    /// Takes in the weights after an epoch, the `n`-th that counts.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn add(&mut self, weights: &BTreeMap<String, Tensor>, n: usize) -> Result<()> {
        for (name, weight) in weights {
            let mean = match self.mean.get(name) {
                Some(mean) => (mean + ((weight - mean)? / n as f64)?)?,
                None => weight.copy()?, // The variable goes on changing.
            };
            self.mean.insert(name.clone(), mean);
        }
        Ok(())
    }

    /// The mean by name; empty before the first epoch that counts.
    pub fn mean(&self) -> &BTreeMap<String, Tensor> {
        &self.mean
    }
}
