//! Initial values of a network to be trained, from a seed: candle's CPU device cannot be seeded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Error, Result, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use sha2::{Digest, Sha256};

/// The variables of a network, by name. Which value a tensor starts with depends on the seed and
/// its name alone, not on what was made before it.
#[derive(Clone, Debug)]
pub struct Variables {
    seed: u64,
    by_name: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Variables {
    /// No variables yet: a network built from [`Self::builder`] brings them into being.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, by_name: Arc::default() }
    }

    /// Where a network takes its variables from.
    #[must_use]
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// All variables made so far, in the order of their names.
    #[must_use]
    pub fn by_name(&self) -> BTreeMap<String, Var> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn draw(&self, name: &str, init: Init, n_values: usize) -> Result<Vec<f64>> {
        let digest = Sha256::new().chain_update(self.seed.to_le_bytes()).chain_update(name).finalize();
        let mut rng = ChaCha8Rng::from_seed(digest.into());
        let mut values =
            |draw: &mut dyn FnMut(&mut ChaCha8Rng) -> f64| (0..n_values).map(|_| draw(&mut rng)).collect();
        Ok(match init {
            Init::Const(value) => vec![value; n_values],
            Init::Uniform { lo, up } => values(&mut |rng| rng.random_range(lo..up)),
            Init::Randn { mean, stdev } => {
                values(&mut |rng| mean + stdev * rng.sample::<f64, _>(StandardNormal))
            }
            Init::Kaiming { .. } => candle_core::bail!("no layer of ours starts from Kaiming values: {name}"),
        })
    }
}

impl SimpleBackend for Variables {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let values = self.draw(name, init, shape.elem_count())?;
        let var = Var::from_tensor(&Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?)?;
        let tensor = var.as_tensor().clone();
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        Err(Error::CannotFindTensor { path: name.to_owned() }.bt())
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).contains_key(name)
    }
}
