//! Graph convolutions: each vertex adds up itself and its predecessors (`A x W + b`, with `A` the adjacency and the
//! identity).

use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};

use crate::model::GcnConfig;
use crate::model::activation::relu;
use crate::model::bias::add_bias;
use crate::model::encoder::add_carried;
use crate::model::encoder::edges::Edges;
use crate::model::layers::{Linear, linear};

/// A linear layer and a stack of convolutions, with ReLU between them and none after the last.
#[derive(Debug)]
pub struct Convolutions {
    start: Linear,
    layers: Vec<Convolution>,
}

#[derive(Debug)]
struct Convolution {
    weight: Tensor,
    bias: Tensor,
}

impl Convolutions {
    /// Convolutions over vertices of width `n_inputs`.
    ///
    /// # Errors
    /// When `vb` lacks a tensor or has it in another shape.
    pub fn new(n_inputs: usize, cfg: &GcnConfig, vb: &VarBuilder) -> Result<Self> {
        let widths = std::iter::once(&cfg.hidden_dim).chain(&cfg.dims);
        let layers = widths.zip(&cfg.dims).enumerate().map(|(i, (&from, &to))| {
            let vb = vb.pp("gcns").pp(i);
            let bound = 1.0 / (to as f64).sqrt();
            let init = Init::Uniform { lo: -bound, up: bound };
            let weight = vb.get_with_hints((from, to), "weight", init)?;
            Ok(Convolution { weight, bias: vb.get_with_hints(to, "bias", init)? })
        });
        Ok(Self {
            start: linear(n_inputs, cfg.hidden_dim, &vb.pp("x_hidden"))?,
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// # Shapes
    /// - `xs`: `[n_vertices, n_inputs]`
    /// - returns `[n_vertices, last of dims]`
    pub fn forward(&self, xs: &Tensor, edges: &Edges) -> Result<Tensor> {
        let (first, rest) = self.layers.split_first().expect("validated: a stack has a layer");
        let start = first.forward(&xs.apply(&self.start)?, edges)?;
        rest.iter().try_fold(start, |xs, layer| layer.forward(&relu(&xs)?, edges))
    }
}

impl Convolution {
    fn forward(&self, xs: &Tensor, edges: &Edges) -> Result<Tensor> {
        let projected = xs.matmul(&self.weight)?;
        add_bias(&add_carried(&projected, &projected, edges)?, &self.bias)
    }
}
