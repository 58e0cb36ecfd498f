//! Layers whose slope jumps: ReLU and max pooling.
//!
//! A derivative that is taken by differences has to stay on one side of every kink, or it measures the kinks. So the
//! side each unit was on is kept, and other weights can be tried with all units on the same sides.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, WithDType, bail};

use super::arrays::{Array, Kernel, compute, compute_on_cpu, zeros};
use super::pooling::largest_pixels;
use super::{Window, composed};

/// The sides that the units of a network are on, in the order in which its layers are computed.
#[derive(Clone, Debug)]
pub struct Kinks {
    sides: Vec<Side>,
    /// How many layers have asked, where the sides are given.
    n_asked: Option<usize>,
}

#[derive(Clone, Debug)]
enum Side {
    /// For each unit of a ReLU whether it lets its input through.
    Open(Arc<[u8]>),
    /// For each unit of a max pooling which pixel of its map it takes.
    Largest(Arc<[u32]>),
}

impl Kinks {
    /// To be found.
    pub fn unknown() -> Self {
        Self { sides: Vec::new(), n_asked: None }
    }

    /// The same sides, for the same network with other weights.
    pub fn fixed(&self) -> Self {
        Self { sides: self.sides.clone(), n_asked: Some(0) }
    }

    fn next(&mut self, find: impl FnOnce() -> Result<Side>) -> Result<Side> {
        let Some(n_asked) = &mut self.n_asked else {
            let side = find()?;
            self.sides.push(side.clone());
            return Ok(side);
        };
        let side = self.sides.get(*n_asked).cloned();
        *n_asked += 1;
        side.map_or_else(|| bail!("the network has more kinks than were found in it"), Ok)
    }

    /// What is positive of the maps, else zero. The slope at zero is zero.
    ///
    /// # Shapes
    /// - `maps`: any
    /// - returns the same
    pub fn relu(&mut self, maps: &Tensor) -> Result<Tensor> {
        let find = || {
            let open = maps.gt(0.0)?.flatten_all()?.to_vec1::<u8>()?;
            Ok(Side::Open(open.into()))
        };
        match self.next(find)? {
            Side::Open(open) => match maps.device() {
                Device::Cpu => maps.apply_op1(Relu(open)),
                _ => composed::opened(maps, &open),
            },
            Side::Largest(_) => bail!("a ReLU where a max pooling was found"),
        }
    }

    /// The largest pixel of each window; of equal ones the first has the slope.
    ///
    /// # Shapes
    /// - `maps`: `[channels, images, side, side]`
    /// - returns `[channels, images, side out, side out]`
    pub fn max_pool(&mut self, maps: &Tensor, window: Window) -> Result<Tensor> {
        let side = maps.dim(3)?;
        match self.next(|| Ok(Side::Largest(largest_pixels(maps, window)?.into())))? {
            Side::Largest(pixels) => match (maps.device(), window.side_out(side)) {
                (Device::Cpu, side_out) => maps.apply_op1(Selection { pixels, side, side_out }),
                (_, side_out) => composed::selected(maps, &pixels, side_out),
            },
            Side::Open(_) => bail!("a max pooling where a ReLU was found"),
        }
    }
}

struct Relu(Arc<[u8]>);

impl Kernel<1> for Relu {
    fn compute<T: WithDType>(&self, [maps]: [Array<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let zero = T::from_f64(0.0);
        let open = maps.values.iter().zip(self.0.iter());
        let passed = open.map(|(value, is_open)| if *is_open == 1 { *value } else { zero });
        Ok((passed.collect(), Shape::from(maps.dims)))
    }
}

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "ReLU"
    }

    fn cpu_fwd(&self, maps: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        compute_on_cpu(self, &[(maps, layout)])
    }

    fn bwd(&self, _maps: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(compute(self, [gradient])?))
    }
}

/// For each pixel that is made one pixel of the map.
#[derive(Clone)]
struct Selection {
    pixels: Arc<[u32]>,
    side: usize,
    side_out: usize,
}

impl Kernel<1> for Selection {
    fn compute<T: WithDType>(&self, [maps]: [Array<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let (channels, n_images, side) = maps.sizes()?;
        let maps = maps.values.chunks_exact(side * side);
        let pixels = self.pixels.chunks_exact(self.side_out * self.side_out);
        let selected =
            maps.zip(pixels).flat_map(|(map, pixels)| pixels.iter().map(|pixel| map[*pixel as usize]));
        Ok((selected.collect(), Shape::from((channels, n_images, self.side_out, self.side_out))))
    }
}

impl CustomOp1 for Selection {
    fn name(&self) -> &'static str {
        "max pooling"
    }

    fn cpu_fwd(&self, maps: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        compute_on_cpu(self, &[(maps, layout)])
    }

    fn bwd(&self, _maps: &Tensor, _result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(compute(&OfSelected(self.clone()), [gradient])?))
    }
}

/// The gradient of maps that pixels were selected of, of that of the result.
struct OfSelected(Selection);

impl Kernel<1> for OfSelected {
    fn compute<T: WithDType>(&self, [gradient]: [Array<'_, T>; 1]) -> Result<(Vec<T>, Shape)> {
        let Selection { pixels, side, side_out } = &self.0;
        let (channels, n_images, _) = gradient.sizes()?;
        let mut maps = zeros(channels * n_images * side * side);
        let made = gradient.values.chunks_exact(side_out * side_out);
        let pixels = pixels.chunks_exact(side_out * side_out);
        for ((map, gradient), pixels) in maps.chunks_exact_mut(side * side).zip(made).zip(pixels) {
            for (gradient, pixel) in gradient.iter().zip(pixels) {
                map[*pixel as usize] += *gradient;
            }
        }
        Ok((maps, Shape::from((channels, n_images, *side, *side))))
    }
}
