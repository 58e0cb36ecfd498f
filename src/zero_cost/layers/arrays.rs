//! How computations on plain numbers become tensor operations.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Storage, Tensor, WithDType, bail};

/// The numbers of a tensor, row by row.
#[derive(Clone, Copy)]
pub struct Array<'a, T> {
    pub values: &'a [T],
    pub dims: &'a [usize],
}

impl<'a, T> Array<'a, T> {
    /// The sizes of feature maps: channels, images, side.
    pub fn sizes(&self) -> Result<(usize, usize, usize)> {
        match *self.dims {
            [channels, n_images, height, width] if height == width => Ok((channels, n_images, width)),
            _ => bail!("{:?} are no square feature maps", self.dims),
        }
    }

    /// What belongs to each channel.
    pub fn channels(&self) -> impl Iterator<Item = &'a [T]> {
        self.values.chunks_exact(self.values.len() / self.dims[0])
    }
}

/// A computation on `N` tensors, in single or double precision.
pub trait Kernel<const N: usize> {
    /// The numbers and the shape of the result.
    fn compute<T: WithDType>(&self, arrays: [Array<'_, T>; N]) -> Result<(Vec<T>, Shape)>;
}

/// Computes on tensors, without a gradient.
pub fn compute<const N: usize>(kernel: &impl Kernel<N>, tensors: [&Tensor; N]) -> Result<Tensor> {
    let tensors = tensors.iter().map(|tensor| tensor.contiguous()).collect::<Result<Vec<_>>>()?;
    let (storage, shape) = {
        let held: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
        let on_cpu = held.iter().map(|(storage, layout)| match &**storage {
            Storage::Cpu(storage) => Ok((storage, *layout)),
            _ => bail!("kernels run on the CPU"),
        });
        compute_on_cpu(kernel, &on_cpu.collect::<Result<Vec<_>>>()?)?
    };
    match storage {
        CpuStorage::F32(values) => Tensor::from_vec(values, shape, &Device::Cpu),
        CpuStorage::F64(values) => Tensor::from_vec(values, shape, &Device::Cpu),
        _ => bail!("kernels are of single or double precision"),
    }
}

/// Computes on what candle hands its custom operations.
pub fn compute_on_cpu<const N: usize>(
    kernel: &impl Kernel<N>,
    args: &[(&CpuStorage, &Layout)],
) -> Result<(CpuStorage, Shape)> {
    match args[0].0.dtype() {
        DType::F32 => compute_as::<f32, N>(kernel, args),
        DType::F64 => compute_as::<f64, N>(kernel, args),
        other => bail!("feature maps are of single or double precision, not {other:?}"),
    }
}

fn compute_as<T: WithDType, const N: usize>(
    kernel: &impl Kernel<N>,
    args: &[(&CpuStorage, &Layout)],
) -> Result<(CpuStorage, Shape)> {
    let arrays = args.iter().map(|(storage, layout)| {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("feature maps of {layout:?} do not lie row by row")
        };
        Ok(Array { values: &T::cpu_storage_as_slice(storage)?[start..end], dims: layout.dims() })
    });
    let Ok(arrays) = <[_; N]>::try_from(arrays.collect::<Result<Vec<_>>>()?) else {
        bail!("{} tensors where a kernel takes {N}", args.len())
    };
    let (values, shape) = kernel.compute(arrays)?;
    Ok((T::to_cpu_storage_owned(values), shape))
}

/// Zeros of either precision.
pub fn zeros<T: WithDType>(n_values: usize) -> Vec<T> {
    vec![T::from_f64(0.0); n_values]
}

/// The sum of a term for each pair, in lanes, so that it is computed on vectors.
pub fn sum_of<T: WithDType>(xs: &[T], ys: &[T], term: impl Fn(T, T) -> T) -> T {
    const N_LANES: usize = 8;
    let mut lanes = [T::from_f64(0.0); N_LANES];
    let (x_chunks, x_rest) = xs.as_chunks::<N_LANES>();
    let (y_chunks, y_rest) = ys.as_chunks::<N_LANES>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..N_LANES {
            lanes[lane] += term(x[lane], y[lane]);
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *lane += term(*x, *y);
    }
    lanes.into_iter().fold(T::from_f64(0.0), |sum, lane| sum + lane)
}
