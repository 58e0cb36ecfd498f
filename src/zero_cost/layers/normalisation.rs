//! Batch normalisation as in training: by the statistics of the batch itself. Scale and shift of a network that was
//! never trained are one and zero.

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, WithDType};

use super::arrays::{Array, Kernel, compute, compute_on_cpu, sum_of, zeros};
use super::composed;

/// Added to variances.
pub const EPSILON: f64 = 1e-5;

/// Brings each channel to mean zero and variance one.
///
/// # Shapes
/// - `maps`: `[channels, ..]`
/// - returns the same
pub fn normalise(maps: &Tensor) -> Result<Tensor> {
    match maps.device() {
        Device::Cpu => maps.apply_op1(Normalisation),
        _ => composed::normalise(maps),
    }
}

struct Normalisation;

impl CustomOp1 for Normalisation {
    fn name(&self) -> &'static str {
        "batch normalisation"
    }

    fn cpu_fwd(&self, maps: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        compute_on_cpu(&Forward, &[(maps, layout)])
    }

    fn bwd(&self, maps: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(compute(&OfMaps, [maps, result, gradient])?))
    }
}

fn mean<T: WithDType>(xs: &[T], ys: &[T], term: impl Fn(T, T) -> T) -> T {
    sum_of(xs, ys, term) * T::from_f64(1.0 / xs.len() as f64)
}

/// Mean of a channel, and what its deviations from it are multiplied by.
fn statistics<T: WithDType>(channel: &[T]) -> (T, T) {
    let centre = mean(channel, channel, |x, _| x);
    let variance = mean(channel, channel, |x, _| (x - centre) * (x - centre));
    (centre, T::from_f64((variance.to_f64() + EPSILON).sqrt().recip()))
}

struct Forward;

impl Kernel<1> for Forward {
    fn compute<T: WithDType>(&self, [maps]: [Array<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let mut result = Vec::with_capacity(maps.values.len());
        for channel in maps.channels() {
            let (centre, factor) = statistics(channel);
            result.extend(channel.iter().map(|x| (*x - centre) * factor));
        }
        Ok((result, Shape::from(maps.dims)))
    }
}

/// The gradient of the maps, of these, the result and its gradient.
struct OfMaps;

impl Kernel<3> for OfMaps {
    fn compute<T: WithDType>(&self, [maps, result, gradient]: [Array<'_, T>; 3]) -> Result<(Vec<T>, Shape)> {
        let mut of_maps = zeros(maps.values.len());
        let channels = maps.channels().zip(result.channels()).zip(gradient.channels());
        let len = maps.values.len() / maps.dims[0];
        for (((channel, made), gradient), out) in channels.zip(of_maps.chunks_exact_mut(len)) {
            let (_, factor) = statistics(channel);
            let centre = mean(gradient, gradient, |gradient, _| gradient);
            let slope = mean(gradient, made, |gradient, made| gradient * made);
            for ((out, gradient), made) in out.iter_mut().zip(gradient).zip(made) {
                *out = factor * (*gradient - centre - slope * *made);
            }
        }
        Ok((of_maps, Shape::from(maps.dims)))
    }
}
