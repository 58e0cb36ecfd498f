//! A bias on every row. Its gradient is the sum of the rows: one pass, where candle's sum over the first dimension
//! computes an index for each number.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Tensor, WithDType, bail};

use crate::model::cpu_rows::{numbers, with_numbers_of};

/// # Shapes
/// - `xs`: `[rows, width]`
/// - `bias`: `[width]`
/// - returns `[rows, width]`
pub fn add_bias(xs: &Tensor, bias: &Tensor) -> Result<Tensor> {
    match xs.device() {
        Device::Cpu => xs.contiguous()?.apply_op2(&bias.contiguous()?, AddBias),
        _ => xs.broadcast_add(bias),
    }
}

/// The sum of all rows, without a gradient.
///
/// # Shapes
/// - `xs`: `[rows, width]`
/// - returns `[width]`
pub fn sum_of_rows(xs: &Tensor) -> Result<Tensor> {
    xs.contiguous()?.apply_op1_no_bwd(&SumOfRows)
}

struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        xs_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = shape_of_rows(xs_layout, bias_layout)?;
        Ok((with_numbers_of!(xs, sums(xs, xs_layout, bias, bias_layout)), shape))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(gradient.clone()), Some(sum_of_rows(gradient)?)))
    }
}

struct SumOfRows;

impl CustomOp1 for SumOfRows {
    fn name(&self) -> &'static str {
        "sum of rows"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        Ok((with_numbers_of!(xs, row_sums(xs, layout, width)), Shape::from(width)))
    }
}

/// The shape of rows that are as wide as a bias.
pub(in crate::model) fn shape_of_rows(xs: &Layout, bias: &Layout) -> Result<Shape> {
    let (width, n_biases) = (xs.shape().dims2()?.1, bias.shape().dims1()?);
    if width != n_biases || width == 0 {
        bail!("{n_biases} biases are not those of rows of {width}");
    }
    Ok(xs.shape().clone())
}

/// Each row and a bias of its width.
pub(in crate::model) fn sums<T: WithDType>(
    xs: &CpuStorage,
    xs_layout: &Layout,
    bias: &CpuStorage,
    bias_layout: &Layout,
) -> Result<Vec<T>> {
    let bias = numbers::<T>(bias, bias_layout)?;
    let mut sums = numbers::<T>(xs, xs_layout)?.to_vec();
    for row in sums.chunks_exact_mut(bias.len()) {
        row.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += *bias);
    }
    Ok(sums)
}

fn row_sums<T: WithDType>(xs: &CpuStorage, layout: &Layout, width: usize) -> Result<Vec<T>> {
    let mut sum = vec![T::zero(); width];
    for row in numbers::<T>(xs, layout)?.chunks_exact(width) {
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    #[test]
    fn sums_and_gradients_are_those_of_candle() {
        let var =
            |values: &[f64], shape: &[usize]| Var::from_vec(values.to_vec(), shape, &Device::Cpu).unwrap();
        let (xs, bias) = (var(&[1.0, -2.0, 3.0, 0.5, 0.25, -1.0], &[3, 2]), var(&[10.0, 20.0], &[2]));
        let (ours, candles) = (add_bias(&xs, &bias).unwrap(), xs.broadcast_add(&bias).unwrap());
        assert_eq!(ours.to_vec2::<f64>().unwrap(), candles.to_vec2::<f64>().unwrap());
        let gradients = |sums: Tensor| sums.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, candles) = (gradients(ours), gradients(candles));
        let of = |gradients: &candle_core::backprop::GradStore, var: &Var| {
            gradients.get(var).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()
        };
        for var in [&xs, &bias] {
            assert_eq!(of(&ours, var), of(&candles, var));
        }
    }
}
