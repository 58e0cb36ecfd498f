//! What edges carry, added up at the nodes they enter: one pass over the edges forward and one back, with no copy for
//! each edge.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, WithDType, bail};

use crate::model::cpu_rows::{numbers, with_numbers_of};
#[cfg(feature = "cuda")]
use crate::model::encoder::carry_cuda;
use crate::model::encoder::edges::{Edges, Ends};

/// At each of `n_targets` nodes the sum of the rows that edges carry there.
///
/// # Shapes
/// - `xs`: `[n_sources, width]`
/// - returns `[n_targets, width]`
pub fn carried(xs: &Tensor, edges: &Edges, n_targets: usize) -> Result<Tensor> {
    let width = xs.dims2()?.1;
    add_carried(&Tensor::zeros((n_targets, width), xs.dtype(), xs.device())?, xs, edges)
}

/// The row that each of the edges takes, in their order: those of [`Edges::picking`].
///
/// # Shapes
/// - `xs`: `[n_rows, width]`
/// - returns `[n_edges, width]`
pub fn picked(xs: &Tensor, edges: &Edges) -> Result<Tensor> {
    carried(xs, edges, edges.len())
}

/// `base` and, at the target of each edge, the row of its source.
///
/// # Shapes
/// - `base`: `[n_targets, width]`
/// - `xs`: `[n_sources, width]`
/// - returns `[n_targets, width]`
pub fn add_carried(base: &Tensor, xs: &Tensor, edges: &Edges) -> Result<Tensor> {
    base.contiguous()?.apply_op2(&xs.contiguous()?, Carried(edges.clone()))
}

/// `base` and, at the target of each edge, the row of its source times the edge's gates.
///
/// # Shapes
/// - `base`, `xs`: `[n_nodes, width]`
/// - `gates`: `[n_edges, width]`
/// - returns `[n_nodes, width]`
pub fn add_gated(base: &Tensor, gates: &Tensor, xs: &Tensor, edges: &Edges) -> Result<Tensor> {
    base.contiguous()?.apply_op3(&gates.contiguous()?, &xs.contiguous()?, Gated(edges.clone()))
}

/// A tensor of the CPU.
type OnCpu<'a> = (&'a CpuStorage, &'a Layout);

struct Carried(Edges);

impl CustomOp2 for Carried {
    fn name(&self) -> &'static str {
        "carried"
    }

    fn cpu_fwd(
        &self,
        base: &CpuStorage,
        base_layout: &Layout,
        xs: &CpuStorage,
        xs_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sums = with_numbers_of!(base, add_rows((base, base_layout), (xs, xs_layout), &self.0.ends));
        Ok((sums, base_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        base: &CudaStorage,
        base_layout: &Layout,
        xs: &CudaStorage,
        xs_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let sums = carry_cuda::add_rows((base, base_layout), None, (xs, xs_layout), &self.0)?;
        Ok((sums, base_layout.shape().clone()))
    }

    fn bwd(
        &self,
        base: &Tensor,
        xs: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let back = Self(self.0.reversed());
        let of_xs = xs.zeros_like()?.apply_op2_no_bwd(&gradient.contiguous()?, &back)?;
        Ok((base.track_op().then(|| gradient.clone()), Some(of_xs)))
    }
}

struct Gated(Edges);

impl CustomOp3 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(
        &self,
        base: &CpuStorage,
        base_layout: &Layout,
        gates: &CpuStorage,
        gates_layout: &Layout,
        xs: &CpuStorage,
        xs_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gates, xs) = ((gates, gates_layout), (xs, xs_layout));
        let sums = with_numbers_of!(base, add_gated_rows((base, base_layout), gates, xs, &self.0.ends));
        Ok((sums, base_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        base: &CudaStorage,
        base_layout: &Layout,
        gates: &CudaStorage,
        gates_layout: &Layout,
        xs: &CudaStorage,
        xs_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (gates, xs) = ((gates, gates_layout), (xs, xs_layout));
        let sums = carry_cuda::add_rows((base, base_layout), Some(gates), xs, &self.0)?;
        Ok((sums, base_layout.shape().clone()))
    }

    fn bwd(
        &self,
        base: &Tensor,
        gates: &Tensor,
        xs: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let gradient = gradient.contiguous()?;
        let of_gates = gradient.apply_op2_no_bwd(xs, &ProductOfEnds(self.0.clone()))?;
        let back = Self(self.0.reversed());
        let of_xs = xs.zeros_like()?.apply_op3_no_bwd(gates, &gradient, &back)?;
        Ok((base.track_op().then_some(gradient), Some(of_gates), Some(of_xs)))
    }
}

/// For each edge the row of its target in one tensor times the row of its source in another: the gradient of gates.
struct ProductOfEnds(Edges);

impl CustomOp2 for ProductOfEnds {
    fn name(&self) -> &'static str {
        "product of ends"
    }

    fn cpu_fwd(
        &self,
        at_targets: &CpuStorage,
        targets_layout: &Layout,
        at_sources: &CpuStorage,
        sources_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (targets, sources) = ((at_targets, targets_layout), (at_sources, sources_layout));
        let products = with_numbers_of!(at_targets, products(targets, sources, &self.0.ends));
        Ok((products, Shape::from((self.0.len(), targets_layout.shape().dims2()?.1))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        at_targets: &CudaStorage,
        targets_layout: &Layout,
        at_sources: &CudaStorage,
        sources_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (targets, sources) = ((at_targets, targets_layout), (at_sources, sources_layout));
        let products = carry_cuda::products(targets, sources, &self.0)?;
        Ok((products, Shape::from((self.0.len(), targets_layout.shape().dims2()?.1))))
    }
}

/// The width of all rows, 1 at least.
fn same_width(layouts: &[&Layout]) -> Result<usize> {
    let widths = layouts.iter().map(|layout| Ok(layout.shape().dims2()?.1)).collect::<Result<Vec<_>>>()?;
    if widths.contains(&0) || widths.iter().any(|width| *width != widths[0]) {
        bail!("rows that are added up have widths {widths:?}");
    }
    Ok(widths[0])
}

fn add_rows<T: WithDType>(base: OnCpu<'_>, xs: OnCpu<'_>, ends: &Ends) -> Result<Vec<T>> {
    let width = same_width(&[base.1, xs.1])?;
    let mut sums = numbers::<T>(base.0, base.1)?.to_vec();
    let xs = numbers::<T>(xs.0, xs.1)?;
    for (source, target) in ends.iter() {
        let (sum, x) = (&mut sums[target * width..][..width], &xs[source * width..][..width]);
        sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += *x);
    }
    Ok(sums)
}

fn add_gated_rows<T: WithDType>(
    base: OnCpu<'_>,
    gates: OnCpu<'_>,
    xs: OnCpu<'_>,
    ends: &Ends,
) -> Result<Vec<T>> {
    let width = same_width(&[base.1, gates.1, xs.1])?;
    let (gates, xs) = (numbers::<T>(gates.0, gates.1)?, numbers::<T>(xs.0, xs.1)?);
    if gates.len() != ends.source.len() * width {
        bail!("{} rows are not the gates of {} edges", gates.len() / width, ends.source.len());
    }
    let mut sums = numbers::<T>(base.0, base.1)?.to_vec();
    for ((source, target), gate) in ends.iter().zip(gates.chunks_exact(width)) {
        let (sum, x) = (&mut sums[target * width..][..width], &xs[source * width..][..width]);
        sum.iter_mut().zip(gate).zip(x).for_each(|((sum, gate), x)| *sum += *gate * *x);
    }
    Ok(sums)
}

fn products<T: WithDType>(targets: OnCpu<'_>, sources: OnCpu<'_>, ends: &Ends) -> Result<Vec<T>> {
    let width = same_width(&[targets.1, sources.1])?;
    let (targets, sources) = (numbers::<T>(targets.0, targets.1)?, numbers::<T>(sources.0, sources.1)?);
    let mut products = Vec::with_capacity(ends.source.len() * width);
    for (source, target) in ends.iter() {
        let (a, b) = (&targets[target * width..][..width], &sources[source * width..][..width]);
        products.extend(a.iter().zip(b).map(|(a, b)| *a * *b));
    }
    Ok(products)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    const ENDS: [(u32, u32); 4] = [(0, 2), (1, 2), (0, 1), (2, 0)];

    /// The edges, and their ends as candle takes them.
    fn edges() -> (Edges, Tensor, Tensor) {
        let (source, target): (Vec<u32>, Vec<u32>) = ENDS.into_iter().unzip();
        let indices = |ends: &[u32]| Tensor::new(ends, &Device::Cpu).expect("indices");
        let (sources, targets) = (indices(&source), indices(&target));
        (Edges::new(Ends { source, target }, &Device::Cpu).expect("edges"), sources, targets)
    }

    fn var(n_rows: usize, scale: f64) -> Var {
        let values: Vec<f64> = (0..n_rows * 2).map(|it| scale * (it as f64 + 1.0).sin()).collect();
        Var::from_vec(values, (n_rows, 2), &Device::Cpu).expect("a tensor")
    }

    fn values(tensor: &Tensor) -> Vec<Vec<f64>> {
        tensor.to_vec2().expect("numbers")
    }

    /// Sums and gradients are those of candle's gather and scatter.
    fn assert_same(of_ours: Tensor, of_candle: Tensor, vars: &[&Var]) {
        assert_eq!(values(&of_ours), values(&of_candle));
        let gradients = |sums: Tensor| sums.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, candles) = (gradients(of_ours), gradients(of_candle));
        for var in vars {
            assert_eq!(values(ours.get(var).expect("used")), values(candles.get(var).expect("used")));
        }
    }

    #[test]
    fn what_is_carried_is_added_up_as_by_gather_and_scatter() {
        let (base, xs, (edges, sources, targets)) = (var(3, 1.0), var(3, 2.0), edges());
        let of_candle = base.index_add(&targets, &xs.index_select(&sources, 0).unwrap(), 0).unwrap();
        assert_same(add_carried(&base, &xs, &edges).unwrap(), of_candle, &[&base, &xs]);
    }

    #[test]
    fn what_is_gated_is_added_up_as_by_gather_and_scatter() {
        let (base, gates, xs, (edges, sources, targets)) = (var(3, 1.0), var(4, 3.0), var(3, 2.0), edges());
        let loads = (gates.as_tensor() * xs.index_select(&sources, 0).unwrap()).unwrap();
        let of_candle = base.index_add(&targets, &loads, 0).unwrap();
        assert_same(add_gated(&base, &gates, &xs, &edges).unwrap(), of_candle, &[&base, &gates, &xs]);
    }
}
