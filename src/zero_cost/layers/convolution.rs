//! Convolutions as products of a weight and the patches of a few images: so many that the patches stay in the
//! caches. Forward and backward that takes a tenth of the time of candle's own: 280 ms, not 3,900, for a 3x3 convolution
//! from 16 to 16 channels of 64 images of 32x32.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, WithDType};

use super::arrays::{Array, Kernel, compute, compute_on_cpu, sum_of, zeros};
use super::{Window, composed};

/// Patches multiplied at a time, about: half a megabyte in single precision.
const CHUNK_LEN: usize = 1 << 17;

/// Convolves maps. What lies outside a map is zero; there is no bias.
///
/// `gates` are factors of each channel of each image of the result: ones, there for their gradients.
///
/// # Shapes
/// - `maps`: `[in, images, side, side]`
/// - `weight`: `[out, in * taps]`
/// - `gates`: `[out, images]`
/// - returns `[out, images, side out, side out]`
pub fn convolution(maps: &Tensor, weight: &Tensor, gates: &Tensor, window: Window) -> Result<Tensor> {
    match maps.device() {
        Device::Cpu => maps.apply_op3(weight, gates, Convolution(window)),
        _ => composed::convolution(maps, weight, gates, window),
    }
}

struct Convolution(Window);

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(
        &self,
        maps: &CpuStorage,
        maps_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        _gates: &CpuStorage,
        _gates_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        compute_on_cpu(&Forward(self.0), &[(maps, maps_layout), (weight, weight_layout)])
    }

    fn bwd(
        &self,
        maps: &Tensor,
        weight: &Tensor,
        gates: &Tensor,
        result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let of_maps =
            compute(&OfMaps { window: self.0, side: maps.dim(3)? }, [&weight.t()?.contiguous()?, gradient])?;
        let of_weight = compute(&OfWeight(self.0), [maps, gradient])?;
        let of_gates = if gates.is_variable() { Some(compute(&OfGates, [result, gradient])?) } else { None };
        Ok((Some(of_maps), Some(of_weight), of_gates))
    }
}

/// The images of each chunk, where one takes `len` numbers.
fn chunks(n_images: usize, len: usize) -> impl Iterator<Item = Range<usize>> {
    let size = (CHUNK_LEN / len).clamp(1, n_images);
    (0..n_images).step_by(size).map(move |first| first..(first + size).min(n_images))
}

/// What windows read of some of the images, `[in * taps, images * pixels]`.
fn patches<T: WithDType>(window: Window, maps: Array<'_, T>, images: &Range<usize>) -> Result<Tensor> {
    let (channels, n_images, side) = maps.sizes()?;
    let n_pixels = window.side_out(side).pow(2);
    let runs = window.runs(side);
    let mut patches = zeros(channels * window.n_taps() * images.len() * n_pixels);
    let per_channel = patches.chunks_exact_mut(window.n_taps() * images.len() * n_pixels);
    for (channel, patches) in per_channel.enumerate() {
        for (place, image) in images.clone().enumerate() {
            let map = &maps.values[(channel * n_images + image) * side * side..][..side * side];
            for run in &runs {
                let row = &mut patches[(run.tap * images.len() + place) * n_pixels..][..n_pixels];
                window.gather(*run, map, row, |patch, pixel| *patch = pixel);
            }
        }
    }
    Tensor::from_vec(patches, (channels * window.n_taps(), images.len() * n_pixels), &Device::Cpu)
}

/// Some of the images of maps, `[channels, images * pixels]`.
fn some_images<T: WithDType>(maps: Array<'_, T>, images: &Range<usize>) -> Result<Tensor> {
    let (channels, _, side) = maps.sizes()?;
    let n_pixels = side * side;
    let mut rows = Vec::with_capacity(channels * images.len() * n_pixels);
    for channel in maps.channels() {
        rows.extend_from_slice(&channel[images.start * n_pixels..images.end * n_pixels]);
    }
    Tensor::from_vec(rows, (channels, images.len() * n_pixels), &Device::Cpu)
}

fn tensor<T: WithDType>(array: Array<'_, T>) -> Result<Tensor> {
    Tensor::from_slice(array.values, array.dims, &Device::Cpu)
}

struct Forward(Window);

impl Kernel<2> for Forward {
    fn compute<T: WithDType>(&self, [maps, weight]: [Array<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let (channels, n_images, side) = maps.sizes()?;
        let side_out = self.0.side_out(side);
        let n_pixels = side_out * side_out;
        let weight = tensor(weight)?;
        let channels_out = weight.dim(0)?;
        let mut result = zeros(channels_out * n_images * n_pixels);
        for images in chunks(n_images, channels * self.0.n_taps() * n_pixels) {
            let product = weight.matmul(&patches(self.0, maps, &images)?)?; // [out, chunk * pixels]
            let product = product.flatten_all()?.to_vec1::<T>()?;
            let rows = product.chunks_exact(images.len() * n_pixels);
            for (row, channel) in rows.zip(result.chunks_exact_mut(n_images * n_pixels)) {
                channel[images.start * n_pixels..images.end * n_pixels].copy_from_slice(row);
            }
        }
        Ok((result, Shape::from((channels_out, n_images, side_out, side_out))))
    }
}

/// The gradient of the maps, of the transposed weight and that of the result.
struct OfMaps {
    window: Window,
    side: usize,
}

impl Kernel<2> for OfMaps {
    fn compute<T: WithDType>(&self, [weight, gradient]: [Array<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let Self { window, side } = *self;
        let (_, n_images, side_out) = gradient.sizes()?;
        let (n_pixels, n_pixels_in) = (side_out * side_out, side * side);
        let weight = tensor(weight)?; // [in * taps, out]
        let n_rows = weight.dim(0)?;
        let channels = n_rows / window.n_taps();
        let runs = window.runs(side);
        let mut maps = zeros(channels * n_images * n_pixels_in);
        for images in chunks(n_images, n_rows * n_pixels) {
            let patches = weight.matmul(&some_images(gradient, &images)?)?; // [in * taps, chunk * pixels]
            let patches = patches.flatten_all()?.to_vec1::<T>()?;
            let per_channel = patches.chunks_exact(window.n_taps() * images.len() * n_pixels);
            for (channel, patches) in per_channel.enumerate() {
                for (place, image) in images.clone().enumerate() {
                    let map = &mut maps[(channel * n_images + image) * n_pixels_in..][..n_pixels_in];
                    for run in &runs {
                        let row = &patches[(run.tap * images.len() + place) * n_pixels..][..n_pixels];
                        window.scatter(*run, row, map, |pixel, patch| *pixel += patch);
                    }
                }
            }
        }
        Ok((maps, Shape::from((channels, n_images, side, side))))
    }
}

/// The gradient of the weight, of the maps and that of the result.
struct OfWeight(Window);

impl Kernel<2> for OfWeight {
    fn compute<T: WithDType>(&self, [maps, gradient]: [Array<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let (channels, n_images, side) = maps.sizes()?;
        let n_columns = channels * self.0.n_taps();
        let mut sum = Tensor::zeros((gradient.dims[0], n_columns), T::DTYPE, &Device::Cpu)?;
        for images in chunks(n_images, n_columns * self.0.side_out(side).pow(2)) {
            let patches = patches(self.0, maps, &images)?;
            sum = (sum + some_images(gradient, &images)?.matmul(&patches.t()?)?)?;
        }
        let shape = sum.shape().clone();
        Ok((sum.flatten_all()?.to_vec1()?, shape))
    }
}

/// The gradient of the gates, of the result and its gradient: for each channel of each image the sum of the products.
pub struct OfGates;

impl Kernel<2> for OfGates {
    fn compute<T: WithDType>(&self, [result, gradient]: [Array<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let (channels, n_images, side) = result.sizes()?;
        let pairs = result.values.chunks_exact(side * side).zip(gradient.values.chunks_exact(side * side));
        let sums = pairs.map(|(made, gradient)| sum_of(made, gradient, |made, gradient| made * gradient));
        Ok((sums.collect(), Shape::from((channels, n_images))))
    }
}
