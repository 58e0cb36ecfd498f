//! The operations of [`carry`](super::carry) on CUDA: launches the kernels of `carry.cu`, which the build compiles.
#![expect(unsafe_code, reason = "a kernel is launched with pointers that only the host knows the sizes of")]

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{CudaView, DeviceRepr, LaunchConfig, PushKernelArg};
use candle_core::cuda_backend::{CudaDType, WrapErr, kernel_name};
use candle_core::{CudaDevice, CudaStorage, DType, Error, Layout, Result, Storage, Tensor, WithDType, bail};

use crate::model::encoder::edges::{Edges, OnDevice};

/// `carry.cu`, compiled for the driver to finish.
const KERNELS: &str = include_str!(concat!(env!("OUT_DIR"), "/carry.ptx"));

/// Edges for each node, on average, from which the threads of a block share those of one node.
const SHARED_FROM: usize = 16;
/// Such a block: columns and lanes, as in `carry.cu`.
const BLOCK: (u32, u32, u32) = (32, 32, 1);

/// A tensor on the GPU.
type OnGpu<'a> = (&'a CudaStorage, &'a Layout);

/// `base` and, at the target of each edge, the row of its source, times the edge's gates where there are any.
pub fn add_rows(
    base: OnGpu<'_>,
    gates: Option<OnGpu<'_>>,
    xs: OnGpu<'_>,
    edges: &Edges,
) -> Result<CudaStorage> {
    match base.0.dtype() {
        DType::F32 => add_rows_of::<f32>(base, gates, xs, on_gpu(edges)?),
        DType::F64 => add_rows_of::<f64>(base, gates, xs, on_gpu(edges)?),
        other => bail!("rows of {other:?} are not computed with"),
    }
}

/// For each edge the row of its target in one tensor times the row of its source in another.
pub fn products(targets: OnGpu<'_>, sources: OnGpu<'_>, edges: &Edges) -> Result<CudaStorage> {
    match targets.0.dtype() {
        DType::F32 => products_of::<f32>(targets, sources, on_gpu(edges)?),
        DType::F64 => products_of::<f64>(targets, sources, on_gpu(edges)?),
        other => bail!("rows of {other:?} are not computed with"),
    }
}

fn on_gpu(edges: &Edges) -> Result<&OnDevice> {
    match &edges.on_device {
        Some(edges) => Ok(edges),
        None => bail!("edges of the CPU carry nothing on a GPU"),
    }
}

fn add_rows_of<T: CudaDType + DeviceRepr + WithDType>(
    base: OnGpu<'_>,
    gates: Option<OnGpu<'_>>,
    xs: OnGpu<'_>,
    edges: &OnDevice,
) -> Result<CudaStorage> {
    let (n_numbers, width) = (base.1.shape().elem_count(), same_width(base.1, xs.1)?);
    let n_edges = edges.source.dim(0)?;
    if let Some((_, layout)) = gates
        && layout.shape().dims2()? != (n_edges, width as usize)
    {
        bail!("gates of shape {:?} are not those of {n_edges} edges of width {width}", layout.shape());
    }
    if n_numbers == 0 || n_edges == 0 {
        return base.0.try_clone(base.1);
    }
    check_rows(edges.n_targets, base.1)?;
    check_rows(edges.n_sources, xs.1)?;
    let device = base.0.device();
    let n_grouped = in_u32(edges.entering.starts.dim(0)?)? - 1;
    let n_nodes = n_numbers / width as usize;
    let are_shared = gates.is_none() && n_edges >= SHARED_FROM * n_nodes;
    let name = match (gates.is_some(), are_shared) {
        (false, false) => "carried",
        (false, true) => "carried_many",
        (true, _) => "gated",
    };
    let kernel = device.get_or_load_custom_func(&kernel_name::<T>(name), "carry", KERNELS)?;
    let shape = if are_shared {
        let grid_dim = (in_u32(n_nodes)?, width.div_ceil(BLOCK.0), 1);
        LaunchConfig { grid_dim, block_dim: BLOCK, shared_mem_bytes: 0 }
    } else {
        LaunchConfig::for_num_elems(in_u32(n_numbers)?)
    };
    let (base, xs) = (numbers::<T>(base)?, numbers::<T>(xs)?);
    let gates = gates.map(numbers::<T>).transpose()?;
    with_indices(
        [&edges.entering.starts, &edges.entering.edges, &edges.source],
        |[starts, entering, source]| {
            // SAFETY: the kernel writes each of the `n_numbers` numbers before anything reads them.
            let mut sums = unsafe { device.alloc::<T>(n_numbers)? };
            let mut launch = kernel.builder();
            launch
                .arg(&n_numbers)
                .arg(&width)
                .arg(&n_grouped)
                .arg(starts)
                .arg(entering)
                .arg(source)
                .arg(&base);
            if let Some(gates) = &gates {
                launch.arg(gates);
            }
            launch.arg(&xs).arg(&mut sums);
            // SAFETY: the arguments are those of the kernel, in its order; all that edges point to is there, which was
            // checked, and `shape` is that of the kernel.
            unsafe { launch.launch(shape) }.w()?;
            Ok(CudaStorage::wrap_cuda_slice(sums, device.clone()))
        },
    )
}

fn products_of<T: CudaDType + DeviceRepr + WithDType>(
    targets: OnGpu<'_>,
    sources: OnGpu<'_>,
    edges: &OnDevice,
) -> Result<CudaStorage> {
    let width = same_width(targets.1, sources.1)?;
    let n_numbers = edges.source.dim(0)? * width as usize;
    check_rows(edges.n_targets, targets.1)?;
    check_rows(edges.n_sources, sources.1)?;
    let launched = LaunchConfig::for_num_elems(in_u32(n_numbers)?);
    let device: &CudaDevice = targets.0.device();
    let kernel = device.get_or_load_custom_func(&kernel_name::<T>("products"), "carry", KERNELS)?;
    let (targets, sources) = (numbers::<T>(targets)?, numbers::<T>(sources)?);
    with_indices([&edges.target, &edges.source], |[target, source]| {
        // SAFETY: the kernel writes each of the `n_numbers` numbers before anything reads them.
        let mut products = unsafe { device.alloc::<T>(n_numbers)? };
        let mut launch = kernel.builder();
        launch
            .arg(&n_numbers)
            .arg(&width)
            .arg(target)
            .arg(source)
            .arg(&targets)
            .arg(&sources)
            .arg(&mut products);
        if n_numbers > 0 {
            // SAFETY: as in `add_rows_of`.
            unsafe { launch.launch(launched) }.w()?;
        }
        Ok(CudaStorage::wrap_cuda_slice(products, device.clone()))
    })
}

/// The width of the rows of both, 1 at least.
fn same_width(one: &Layout, other: &Layout) -> Result<u32> {
    match (one.shape().dims2()?.1, other.shape().dims2()?.1) {
        (one, other) if one == other && one > 0 => in_u32(one),
        widths => bail!("rows that are added up have widths {widths:?}"),
    }
}

/// Checks that a tensor has all the rows that edges leave or enter.
fn check_rows(n_needed: usize, layout: &Layout) -> Result<()> {
    match layout.shape().dims2()?.0 {
        n_rows if n_needed <= n_rows => Ok(()),
        n_rows => bail!("edges of {n_needed} rows do not fit a tensor of {n_rows}"),
    }
}

/// A size as kernels take it.
fn in_u32(size: usize) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::Msg(format!("{size} is more than a kernel counts to")).bt())
}

/// The numbers of a tensor whose rows lie one after the other.
fn numbers<'a, T: CudaDType>((storage, layout): OnGpu<'a>) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(storage.as_cuda_slice::<T>()?.slice(start..end)),
        None => bail!("rows do not lie one after the other"),
    }
}

/// Calls `compute` with the indices that these tensors hold.
fn with_indices<const N: usize, R>(
    tensors: [&Tensor; N],
    compute: impl FnOnce([&CudaView<'_, u32>; N]) -> Result<R>,
) -> Result<R> {
    let stored = tensors.map(Tensor::storage_and_layout);
    let views = stored
        .iter()
        .map(|(storage, layout)| match &**storage {
            Storage::Cuda(storage) => numbers::<u32>((storage, layout)),
            Storage::Cpu(_) | Storage::Metal(_) => bail!("indices are not on the GPU"),
        })
        .collect::<Result<Vec<_>>>()?;
    let views: Vec<&CudaView<'_, u32>> = views.iter().collect();
    compute(views.try_into().expect("as many views as tensors"))
}
