//! Poolings over windows. Pixels outside the map take no part: they are not counted in an average.

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, WithDType};

use super::arrays::{Array, Kernel, compute, compute_on_cpu, zeros};
use super::{Window, composed};

/// Averages of windows.
///
/// # Shapes
/// - `maps`: `[channels, images, side, side]`
/// - returns `[channels, images, side out, side out]`
pub fn average_pool(maps: &Tensor, window: Window) -> Result<Tensor> {
    match maps.device() {
        Device::Cpu => maps.apply_op1(AveragePool { window, side: maps.dim(3)? }),
        _ => composed::average_pool(maps, window),
    }
}

struct AveragePool {
    window: Window,
    side: usize,
}

impl CustomOp1 for AveragePool {
    fn name(&self) -> &'static str {
        "average pooling"
    }

    fn cpu_fwd(&self, maps: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        compute_on_cpu(&Average(self.window), &[(maps, layout)])
    }

    fn bwd(&self, _maps: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(compute(&OfAveraged { window: self.window, side: self.side }, [gradient])?))
    }
}

struct Average(Window);

impl Kernel<1> for Average {
    fn compute<T: WithDType>(&self, [maps]: [Array<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let (channels, n_images, side) = maps.sizes()?;
        let side_out = self.0.side_out(side);
        let runs = self.0.runs(side);
        let shares = shares::<T>(self.0, side);
        let mut result = zeros(channels * n_images * side_out * side_out);
        let maps = maps.values.chunks_exact(side * side);
        for (map, made) in maps.zip(result.chunks_exact_mut(side_out * side_out)) {
            for run in &runs {
                self.0.gather(*run, map, made, |made, pixel| *made += pixel);
            }
            made.iter_mut().zip(&shares).for_each(|(made, share)| *made *= *share);
        }
        Ok((result, Shape::from((channels, n_images, side_out, side_out))))
    }
}

/// The gradient of averaged maps, of that of the result.
struct OfAveraged {
    window: Window,
    side: usize,
}

impl Kernel<1> for OfAveraged {
    fn compute<T: WithDType>(&self, [gradient]: [Array<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let Self { window, side } = *self;
        let (channels, n_images, side_out) = gradient.sizes()?;
        let runs = window.runs(side);
        let shares = shares::<T>(window, side);
        let mut maps = zeros(channels * n_images * side * side);
        let gradients = gradient.values.chunks_exact(side_out * side_out);
        for (gradient, map) in gradients.zip(maps.chunks_exact_mut(side * side)) {
            let parts: Vec<T> =
                gradient.iter().zip(&shares).map(|(gradient, share)| *gradient * *share).collect();
            for run in &runs {
                window.scatter(*run, &parts, map, |pixel, made| *pixel += made);
            }
        }
        Ok((maps, Shape::from((channels, n_images, side, side))))
    }
}

/// The share that each pixel of a window has in its average.
pub fn shares<T: WithDType>(window: Window, side: usize) -> Vec<T> {
    let mut n_read = vec![0; window.side_out(side).pow(2)];
    for run in window.runs(side) {
        n_read[run.output..][..run.len].iter_mut().for_each(|n| *n += 1);
    }
    n_read.into_iter().map(|n| T::from_f64(1.0 / f64::from(n))).collect()
}

/// Where in its map the largest pixel of each window is, the first of equal ones. Found on the CPU.
pub fn largest_pixels(maps: &Tensor, window: Window) -> Result<Vec<u32>> {
    let maps = maps.to_device(&Device::Cpu)?;
    compute(&Largest(window), [&maps])?.flatten_all()?.to_dtype(DType::U32)?.to_vec1()
}

struct Largest(Window);

impl Kernel<1> for Largest {
    fn compute<T: WithDType>(&self, [maps]: [Array<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let (channels, n_images, side) = maps.sizes()?;
        let n_pixels_out = self.0.side_out(side).pow(2);
        let runs = self.0.runs(side);
        let pixels: Vec<u32> = (0..(side * side) as u32).collect();
        let mut positions = Vec::with_capacity(channels * n_images * n_pixels_out);
        for map in maps.values.chunks_exact(side * side) {
            let mut largest = vec![u32::MAX; n_pixels_out];
            for run in &runs {
                let is_larger = |pixel: u32, than: u32| {
                    map.get(than as usize).is_none_or(|value| map[pixel as usize] > *value)
                };
                self.0.gather(*run, &pixels, &mut largest, |largest, pixel| {
                    *largest = if is_larger(pixel, *largest) { pixel } else { *largest };
                });
            }
            positions.extend(largest.into_iter().map(|pixel| T::from_f64(f64::from(pixel))));
        }
        Ok((positions, Shape::from((channels, n_images, n_pixels_out))))
    }
}
