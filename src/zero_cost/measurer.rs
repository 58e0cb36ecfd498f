//! A proxy setting ready to measure with: what all architectures share is made once.

use candle_core::Device;
use sha2::{Digest, Sha256};

use crate::space::{Architecture, SaliencyOrigin, SearchSpace};
use crate::zero_cost::batch::Batch;
use crate::zero_cost::measure::measure;
use crate::zero_cost::{Error, Measured, Proxy, check_space};

/// Counted up whenever the same setting would measure something else, so that nothing measured before is taken for it.
const MEASURED_AS: u32 = 1;

/// Measures architectures with one proxy setting and one seed.
#[derive(Debug)]
pub struct Measurer {
    proxy: Proxy,
    seed: u64,
    batch: Batch,
    origin: SaliencyOrigin,
}

impl Measurer {
    /// Draws the mini-batch of a proxy that is called `name`.
    ///
    /// # Errors
    /// When there is none, as the images are in no folder that can be read.
    pub fn new(name: &str, proxy: Proxy, seed: u64) -> Result<Self, Error> {
        let batch = Batch::of(&proxy, seed)?;
        let digest = Sha256::new()
            .chain_update(MEASURED_AS.to_le_bytes())
            .chain_update(proxy.fingerprint())
            .chain_update(&batch.fingerprint)
            .finalize();
        let origin = SaliencyOrigin { proxy: name.to_owned(), digest: format!("{digest:x}"), seed };
        Ok(Self { proxy, seed, batch, origin })
    }

    /// The same on another device. What a GPU measures differs by rounding, and so has another origin, whose name says
    /// so.
    ///
    /// # Errors
    /// When the mini-batch cannot be copied there.
    pub fn on(mut self, device: &Device) -> Result<Self, Error> {
        self.batch.images = self.batch.images.to_device(device)?;
        self.batch.classes = self.batch.classes.to_device(device)?;
        if !device.is_cpu() {
            let digest = Sha256::new().chain_update(&self.origin.digest).chain_update("GPU").finalize();
            self.origin.digest = format!("{digest:x}");
            self.origin.proxy.push_str(" on a GPU");
        }
        Ok(self)
    }

    /// What is measured is kept under this.
    #[must_use]
    pub fn origin(&self) -> &SaliencyOrigin {
        &self.origin
    }

    /// The setting.
    #[must_use]
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Checks that architectures of a space can be measured.
    ///
    /// # Errors
    /// When nothing is known of how its cells are stacked.
    pub fn check_space(&self, space: &SearchSpace) -> Result<(), Error> {
        check_space(space, &self.proxy)
    }

    /// Measures an architecture: builds its network at the size of the proxy, its weights, images and classes drawn
    /// from the seed. The calling thread, which computes or waits for the GPU, needs
    /// [`STACK_SIZE_BYTES`](crate::zero_cost::STACK_SIZE_BYTES) of stack.
    ///
    /// # Errors
    /// When nothing is known of how cells of its space are stacked, or numbers become too large.
    pub fn measure(&self, architecture: &Architecture) -> Result<Measured, Error> {
        measure(architecture, &self.proxy, self.seed, &self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zero_cost::Metric;

    #[test]
    fn an_origin_changes_with_the_setting_and_the_seed_not_with_the_name() {
        let small = || Proxy::named("small").expect("built in");
        let origin = |name, proxy, seed| Measurer::new(name, proxy, seed).expect("noise").origin().clone();
        let first = origin("small", small(), 0);
        assert!(first.is_same(&origin("another", small(), 0)));
        assert!(!first.is_same(&origin("small", small(), 1)));
        assert!(!first.is_same(&origin("small", Proxy { n_images: 17, ..small() }, 0)));
        let fewer = Proxy { metrics: Metric::ALL[1..].to_vec(), ..small() };
        assert!(!first.is_same(&origin("small", fewer, 0)));
    }

    /// What servers have stored would otherwise be measured again. Where it fails on purpose, put down the new digest.
    #[test]
    fn the_origin_of_a_built_in_proxy_stays() {
        let measurer = Measurer::new("small", Proxy::named("small").expect("built in"), 0).expect("noise");
        assert_eq!(
            measurer.origin().digest,
            "8e0c3c74ecaa6e351d27c39f0a99f8e3c6d29dfc50c21709d23896ab4e0843e0"
        );
    }
}
