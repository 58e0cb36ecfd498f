//! ReLU and gates, each one pass over its numbers forward and one back; candle takes several of each.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Device, Layout, Result, Shape, Tensor, WithDType};

use crate::model::bias::{shape_of_rows, sum_of_rows, sums};
use crate::model::cpu_rows::{numbers, with_numbers_of};

/// What is positive, else zero. The slope at zero is zero, as PyTorch has it; candle's is one.
///
/// # Shapes
/// - `xs`: any
/// - returns the same
pub fn relu(xs: &Tensor) -> Result<Tensor> {
    match xs.device() {
        Device::Cpu => xs.contiguous()?.apply_op1(Relu),
        _ => xs * xs.gt(0.0)?.to_dtype(xs.dtype())?,
    }
}

/// The sigmoid of each row and a bias.
///
/// # Shapes
/// - `xs`: `[rows, width]`
/// - `bias`: `[width]`
/// - returns `[rows, width]`
pub fn gates(xs: &Tensor, bias: &Tensor) -> Result<Tensor> {
    match xs.device() {
        Device::Cpu => xs.contiguous()?.apply_op2(&bias.contiguous()?, Gates),
        _ => candle_nn::ops::sigmoid(&xs.broadcast_add(bias)?),
    }
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "ReLU"
    }

    fn cpu_fwd(&self, xs: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((with_numbers_of!(xs, positive(xs, layout)), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, made: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(gradient.contiguous()?.apply_op2_no_bwd(made, &Product(Slope::OfRelu))?))
    }
}

struct Gates;

impl CustomOp2 for Gates {
    fn name(&self) -> &'static str {
        "gates"
    }

    fn cpu_fwd(
        &self,
        xs: &CpuStorage,
        xs_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = shape_of_rows(xs_layout, bias_layout)?;
        Ok((with_numbers_of!(xs, sigmoids(xs, xs_layout, bias, bias_layout)), shape))
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        made: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_xs = gradient.contiguous()?.apply_op2_no_bwd(made, &Product(Slope::OfSigmoid))?;
        let of_bias = sum_of_rows(&of_xs)?;
        Ok((Some(of_xs), Some(of_bias)))
    }
}

/// How fast a result grows with what it was made of, as the result itself tells.
#[derive(Clone, Copy)]
enum Slope {
    OfRelu,
    OfSigmoid,
}

/// A gradient times the slope at each result.
struct Product(Slope);

impl CustomOp2 for Product {
    fn name(&self) -> &'static str {
        "product with a slope"
    }

    fn cpu_fwd(
        &self,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
        made: &CpuStorage,
        made_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gradient, made) = ((gradient, gradient_layout), (made, made_layout));
        Ok((with_numbers_of!(gradient.0, products(gradient, made, self.0)), gradient_layout.shape().clone()))
    }
}

/// Numbers that have an exponential function.
trait Exponential: WithDType {
    fn sigmoid(self) -> Self;
}

impl Exponential for f32 {
    fn sigmoid(self) -> Self {
        ((-self).exp() + 1.0).recip()
    }
}

impl Exponential for f64 {
    fn sigmoid(self) -> Self {
        ((-self).exp() + 1.0).recip()
    }
}

fn positive<T: WithDType>(xs: &CpuStorage, layout: &Layout) -> Result<Vec<T>> {
    let zero = T::zero();
    Ok(numbers::<T>(xs, layout)?.iter().map(|x| if *x > zero { *x } else { zero }).collect())
}

fn sigmoids<T: Exponential>(
    xs: &CpuStorage,
    xs_layout: &Layout,
    bias: &CpuStorage,
    bias_layout: &Layout,
) -> Result<Vec<T>> {
    Ok(sums::<T>(xs, xs_layout, bias, bias_layout)?.into_iter().map(T::sigmoid).collect())
}

fn products<T: WithDType>(
    gradient: (&CpuStorage, &Layout),
    made: (&CpuStorage, &Layout),
    slope: Slope,
) -> Result<Vec<T>> {
    let (gradient, made) = (numbers::<T>(gradient.0, gradient.1)?, numbers::<T>(made.0, made.1)?);
    let (zero, one) = (T::zero(), T::one());
    let pairs = gradient.iter().zip(made);
    Ok(match slope {
        Slope::OfRelu => pairs.map(|(gradient, made)| if *made > zero { *gradient } else { zero }).collect(),
        Slope::OfSigmoid => pairs.map(|(gradient, made)| *gradient * *made * (one - *made)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    fn var(values: &[f64], shape: &[usize]) -> Var {
        Var::from_vec(values.to_vec(), shape, &Device::Cpu).expect("a tensor")
    }

    fn values(tensor: &Tensor) -> Vec<f64> {
        tensor.flatten_all().and_then(|tensor| tensor.to_vec1()).expect("numbers")
    }

    /// Results and gradients are candle's but for rounding.
    fn assert_same(of_ours: &Tensor, of_candle: &Tensor, vars: &[&Var]) {
        let close = |ours: Vec<f64>, candles: Vec<f64>| {
            assert_eq!(ours.len(), candles.len());
            assert!(ours.iter().zip(&candles).all(|(x, y)| (x - y).abs() < 1e-14), "{ours:?}, {candles:?}");
        };
        close(values(of_ours), values(of_candle));
        let gradients = |made: &Tensor| made.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, candles) = (gradients(of_ours), gradients(of_candle));
        for var in vars {
            close(values(ours.get(var).expect("used")), values(candles.get(var).expect("used")));
        }
    }

    #[test]
    fn gates_are_sigmoids() {
        let (xs, bias) = (var(&[1.0, -2.0, 3.0, 0.5, 40.0, -50.0], &[3, 2]), var(&[0.5, -1.0], &[2]));
        let of_candle = candle_nn::ops::sigmoid(&xs.broadcast_add(&bias).unwrap()).unwrap();
        assert_same(&gates(&xs, &bias).unwrap(), &of_candle, &[&xs, &bias]);
    }

    #[test]
    fn a_relu_is_candles_but_for_the_slope_at_zero() {
        let xs = var(&[1.0, -2.0, 3.0, -0.5], &[2, 2]);
        assert_same(&relu(&xs).unwrap(), &xs.relu().unwrap(), &[&xs]);
        let zero = var(&[0.0], &[1]);
        let gradients = relu(&zero).unwrap().sum_all().unwrap().backward().unwrap();
        assert_eq!(values(gradients.get(&zero).expect("used")), [0.0]);
    }
}
