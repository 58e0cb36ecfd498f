//! Convolutions of each channel by itself: shifted maps, each multiplied by one weight of the channel.

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor, WithDType};

use super::arrays::{Array, Kernel, compute, compute_on_cpu, sum_of, zeros};
use super::convolution::OfGates;
use super::{Window, composed};

/// Convolves each channel by itself; otherwise as [`convolution`](super::convolution).
///
/// # Shapes
/// - `maps`: `[channels, images, side, side]`
/// - `weight`: `[channels, taps]`
/// - `gates`: `[channels, images]`
/// - returns `[channels, images, side out, side out]`
pub fn depthwise_convolution(
    maps: &Tensor,
    weight: &Tensor,
    gates: &Tensor,
    window: Window,
) -> Result<Tensor> {
    match maps.device() {
        Device::Cpu => maps.apply_op3(weight, gates, Depthwise(window)),
        _ => composed::depthwise_convolution(maps, weight, gates, window),
    }
}

struct Depthwise(Window);

impl CustomOp3 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise convolution"
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
        let of_maps = compute(&OfMaps { window: self.0, side: maps.dim(3)? }, [weight, gradient])?;
        let of_weight = compute(&OfWeight(self.0), [maps, gradient])?;
        let of_gates = if gates.is_variable() { Some(compute(&OfGates, [result, gradient])?) } else { None };
        Ok((Some(of_maps), Some(of_weight), of_gates))
    }
}

struct Forward(Window);

impl Kernel<2> for Forward {
    fn compute<T: WithDType>(&self, [maps, weight]: [Array<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let (channels, n_images, side) = maps.sizes()?;
        let side_out = self.0.side_out(side);
        let runs = self.0.runs(side);
        let mut result = zeros(channels * n_images * side_out * side_out);
        let maps = maps.values.chunks_exact(side * side);
        for (index, (map, made)) in maps.zip(result.chunks_exact_mut(side_out * side_out)).enumerate() {
            let taps = &weight.values[index / n_images * self.0.n_taps()..][..self.0.n_taps()];
            for run in &runs {
                self.0.gather(*run, map, made, |made, pixel| *made += taps[run.tap] * pixel);
            }
        }
        Ok((result, Shape::from((channels, n_images, side_out, side_out))))
    }
}

/// The gradient of the maps, of the weight and that of the result.
struct OfMaps {
    window: Window,
    side: usize,
}

impl Kernel<2> for OfMaps {
    fn compute<T: WithDType>(&self, [weight, gradient]: [Array<'_, T>; 2]) -> Result<(Vec<T>, Shape)> {
        let Self { window, side } = *self;
        let (channels, n_images, side_out) = gradient.sizes()?;
        let runs = window.runs(side);
        let mut maps = zeros(channels * n_images * side * side);
        let gradients = gradient.values.chunks_exact(side_out * side_out);
        for (index, (gradient, map)) in gradients.zip(maps.chunks_exact_mut(side * side)).enumerate() {
            let taps = &weight.values[index / n_images * window.n_taps()..][..window.n_taps()];
            for run in &runs {
                window.scatter(*run, gradient, map, |pixel, made| *pixel += taps[run.tap] * made);
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
        let n_pixels_out = self.0.side_out(side).pow(2);
        let runs = self.0.runs(side);
        let mut weight = zeros::<T>(channels * self.0.n_taps());
        let mut read = zeros::<T>(side);
        let maps = maps.values.chunks_exact(side * side);
        for (index, (map, gradient)) in maps.zip(gradient.values.chunks_exact(n_pixels_out)).enumerate() {
            let taps = &mut weight[index / n_images * self.0.n_taps()..][..self.0.n_taps()];
            for run in &runs {
                let read = &mut read[..run.len];
                let from_zero = super::window::Run { output: 0, ..*run };
                self.0.gather(from_zero, map, read, |read, pixel| *read = pixel);
                taps[run.tap] += sum_of(read, &gradient[run.output..][..run.len], |pixel, made| pixel * made);
            }
        }
        Ok((weight, Shape::from((channels, self.0.n_taps()))))
    }
}
