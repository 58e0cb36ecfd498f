//! Dropout from a seed: candle's own draws from the device, which cannot be seeded on the CPU.

use candle_core::{Result, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::model::Dropout;

/// Sets values to zero with a probability, and scales up the rest to make good for it.
pub struct SeededDropout<'a> {
    /// Below 1.
    pub probability: f64,
    /// Where chance comes from.
    pub rng: &'a mut ChaCha8Rng,
}

impl Dropout for SeededDropout<'_> {
    fn drop(&mut self, xs: Tensor) -> Result<Tensor> {
        if self.probability == 0.0 {
            return Ok(xs);
        }
        let kept = (1.0 / (1.0 - self.probability)) as f32;
        let threshold = (self.probability * f64::from(u32::MAX)) as u32;
        let mut draw = || if self.rng.random::<u32>() < threshold { 0.0 } else { kept };
        let mask: Vec<f32> = (0..xs.elem_count()).map(|_| draw()).collect();
        let mask = Tensor::from_vec(mask, xs.shape(), xs.device())?.to_dtype(xs.dtype())?;
        xs * mask
    }
}
