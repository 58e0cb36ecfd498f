//! The learning rate of each step.

use std::f64::consts::PI;

use crate::fit::config::{Optimizer, Schedule};

/// The learning rate of step `step` (from 0) of `n_steps`.
#[must_use]
pub fn learning_rate(optimizer: &Optimizer, step: usize, n_steps: usize) -> f64 {
    let factor = match optimizer.schedule {
        Schedule::Constant => 1.0,
        Schedule::WarmupCosine { warmup_share } => {
            let done = (step as f64 + 0.5) / n_steps as f64;
            if done < warmup_share {
                done / warmup_share
            } else {
                f64::midpoint(1.0, (PI * (done - warmup_share) / (1.0 - warmup_share)).cos())
            }
        }
    };
    optimizer.learning_rate * factor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warmup_rises_and_cosine_falls_to_zero() {
        let schedule = Schedule::WarmupCosine { warmup_share: 0.1 };
        let optimizer =
            Optimizer { learning_rate: 2.0, weight_decay: 0.0, betas: (0.9, 0.999), epsilon: 1e-8, schedule };
        let rates: Vec<f64> = (0..1000).map(|step| learning_rate(&optimizer, step, 1000)).collect();
        assert!(rates[..100].is_sorted());
        assert!(rates[100..].is_sorted_by(|a, b| a >= b));
        assert!((rates[99] - 2.0).abs() < 0.02 && rates[0] < 0.02 && rates[999] < 1e-4);
        assert!((rates[549] - 1.0).abs() < 0.01, "half way down the cosine");
    }
}
