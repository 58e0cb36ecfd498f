//! The mini-batch.

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::zero_cost::images::Chosen;
use crate::zero_cost::network::N_COLOURS;
use crate::zero_cost::{Error, Images, Proxy};

/// Images and the classes they are said to be of.
#[derive(Debug)]
pub struct Batch {
    /// `[colours, images, side, side]`
    pub images: Tensor,
    /// `[images]`
    pub classes: Tensor,
    /// Names what the images are where setting and seed do not say it; else empty.
    pub fingerprint: Vec<u8>,
}

impl Batch {
    /// The batch of a proxy, drawn from the seed, whatever the network: images of mean zero and variance one, with
    /// random classes.
    ///
    /// # Errors
    /// When it cannot be made, as where there are no images.
    pub fn of(proxy: &Proxy, seed: u64) -> Result<Self, Error> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1); // Parameters are drawn from the first one.
        let (pixels, fingerprint) = match &proxy.images {
            Images::Noise => {
                let n_values = N_COLOURS * proxy.n_images * proxy.image_side.pow(2);
                ((0..n_values).map(|_| rng.sample(StandardNormal)).collect(), Vec::new())
            }
            Images::Folder(folder) => {
                let chosen = Chosen::of(folder, proxy.n_images, proxy.image_side, &mut rng)?;
                (chosen.standardised(), chosen.bytes())
            }
        };
        let dims = (N_COLOURS, proxy.n_images, proxy.image_side, proxy.image_side);
        let n_classes = proxy.n_classes as u32;
        let classes: Vec<u32> = (0..proxy.n_images).map(|_| rng.random_range(0..n_classes)).collect();
        Ok(Self {
            images: Tensor::from_vec(pixels, dims, &Device::Cpu)?,
            classes: Tensor::from_vec(classes, proxy.n_images, &Device::Cpu)?,
            fingerprint,
        })
    }
}
