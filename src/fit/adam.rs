//! Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019).
//!
//! Our own because a run has to resume where it stopped: candle's optimiser hides its moments.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

use crate::fit::config::Optimizer;

/// The state of the optimiser.
#[derive(Clone, Debug)]
pub struct Adam {
    config: Optimizer,
    n_steps: u32,
    moments: BTreeMap<String, Moments>,
}

/// Running means of a gradient and of its square.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Of the gradient.
    pub first: Tensor,
    /// Of its square.
    pub second: Tensor,
}

impl Adam {
    /// An optimiser that has not made a step.
    #[must_use]
    pub fn new(config: Optimizer) -> Self {
        Self::resumed(config, 0, BTreeMap::new())
    }

    /// An optimiser that goes on after `n_steps` steps.
    #[must_use]
    pub fn resumed(config: Optimizer, n_steps: u32, moments: BTreeMap<String, Moments>) -> Self {
        Self { config, n_steps, moments }
    }

    /// Steps made.
    #[must_use]
    pub fn n_steps(&self) -> u32 {
        self.n_steps
    }

    /// Moments of the variables that ever had a gradient.
    #[must_use]
    pub fn moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }

    /// Moves each of `variables` that has a gradient in `gradients` one step of `learning_rate`.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn step(
        &mut self,
        variables: &BTreeMap<String, Var>,
        gradients: &GradStore,
        learning_rate: f64,
    ) -> Result<()> {
        self.n_steps += 1;
        let Optimizer { weight_decay, betas: (beta1, beta2), epsilon, .. } = self.config;
        let exponent = f64::from(self.n_steps);
        let first_correction = 1.0 / (1.0 - beta1.powf(exponent));
        let second_correction = 1.0 / (1.0 - beta2.powf(exponent));
        for (name, variable) in variables {
            let Some(gradient) = gradients.get(variable) else { continue };
            let gradient = gradient.detach();
            let (first, second) = match self.moments.get(name) {
                Some(moments) => (
                    ((&moments.first * beta1)? + (&gradient * (1.0 - beta1))?)?,
                    ((&moments.second * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?,
                ),
                None => ((&gradient * (1.0 - beta1))?, (gradient.sqr()? * (1.0 - beta2))?),
            };
            let root = ((&second * second_correction)?.sqrt()? + epsilon)?;
            let step = ((&first * first_correction)? / root)?;
            let kept = (variable.as_tensor().detach() * (1.0 - learning_rate * weight_decay))?;
            variable.set(&(kept - (step * learning_rate)?)?)?;
            self.moments.insert(name.clone(), Moments { first, second });
        }
        Ok(())
    }
}
