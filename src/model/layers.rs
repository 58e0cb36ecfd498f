//! The layers all encoders are made of (`method.md` sections 0.1 to 0.5).

use candle_core::{IndexOp, Result, Tensor};
use candle_nn::{Init, Module, VarBuilder};

use crate::model::activation::{gates, relu};
use crate::model::bias::add_bias;
use crate::model::encoder::{Direction, add_carried, add_gated, carried, picked};
use crate::space::Placement;

/// `x Wᵀ + b`.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// A layer with a weight `[out, in]` and a bias `[out]`.
    pub fn new(weight: Tensor, bias: Tensor) -> Self {
        Self { weight, bias }
    }

    /// The sigmoid of what the layer makes.
    ///
    /// # Shapes
    /// - `xs`: `[rows, in]`
    /// - returns `[rows, out]`
    fn gates(&self, xs: &Tensor) -> Result<Tensor> {
        gates(&xs.matmul(&self.weight.t()?)?, &self.bias)
    }
}

impl Module for Linear {
    /// # Shapes
    /// - `xs`: `[rows, in]`
    /// - returns `[rows, out]`
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        add_bias(&xs.matmul(&self.weight.t()?)?, &self.bias)
    }
}

/// A linear layer with PyTorch's default initial values: weight and bias from
/// U(-1/sqrt(in), 1/sqrt(in)).
pub fn linear(n_inputs: usize, n_outputs: usize, vb: &VarBuilder) -> Result<Linear> {
    let bound = 1.0 / (n_inputs as f64).sqrt();
    let init = Init::Uniform { lo: -bound, up: bound };
    let weight = vb.get_with_hints((n_outputs, n_inputs), "weight", init)?;
    let bias = vb.get_with_hints(n_outputs, "bias", init)?;
    Ok(Linear::new(for_products(weight)?, bias))
}

/// A weight `[out, in]` that is not being trained is laid out so that its transpose, which the
/// product reads, is contiguous: gemm then takes the same road for any number of rows, and a row
/// comes out the same, to the last bit, in any batch.
pub fn for_products(weight: Tensor) -> Result<Tensor> {
    if weight.is_variable() { Ok(weight) } else { weight.t()?.contiguous()?.t() }
}

/// Linear layers with ReLU between them, none at the end. Named `0`, `2`, `4`.. as in the
/// published checkpoints, where the activations count as layers.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// Maps vectors of `n_inputs` over each of `dims`.
    pub fn new(n_inputs: usize, dims: &[usize], vb: &VarBuilder) -> Result<Self> {
        let widths = std::iter::once(&n_inputs).chain(dims);
        let layers = widths
            .zip(dims)
            .enumerate()
            .map(|(i, (&from, &to))| linear(from, to, &vb.pp(2 * i)))
            .collect::<Result<_>>()?;
        Ok(Self { layers })
    }
}

impl Module for Mlp {
    /// # Shapes
    /// - `xs`: `[rows, n_inputs]`
    /// - returns `[rows, last of dims]`
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let Some((first, rest)) = self.layers.split_first() else { return Ok(xs.clone()) };
        rest.iter().try_fold(xs.apply(first)?, |xs, layer| relu(&xs)?.apply(layer))
    }
}

/// One GATES layer: operations gate what flows along edges.
#[derive(Debug)]
pub struct Layer {
    weight: Tensor,
    attention: Linear,
    /// Added to every node, where operations sit on nodes.
    bias: Option<Tensor>,
}

/// What one [`Layer`] did.
#[derive(Debug)]
pub struct Flow {
    /// What arrived at each node, `[n_nodes, out]`.
    pub nodes: Tensor,
    /// Where operations sit on edges: the gates of each edge, `[n_gated, out]`, and what they were open to,
    /// `[n_nodes, out]`.
    gated: Option<(Tensor, Tensor)>,
}

impl Flow {
    /// What each gated edge carried along `edges`, `[n_gated, out]`, where operations sit on edges.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn messages(&self, edges: &Direction) -> Result<Option<Tensor>> {
        let of_edges =
            |(gates, projected): &(Tensor, Tensor)| gates * picked(projected, &edges.gated_source)?;
        self.gated.as_ref().map(of_edges).transpose()
    }
}

impl Layer {
    /// A layer from node information of width `n_inputs` to `n_outputs`, its attention reading
    /// operation embeddings of width `operation_dim`.
    pub fn new(
        placement: Placement,
        n_inputs: usize,
        n_outputs: usize,
        operation_dim: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        // The published code takes the square root of the width going out, not in.
        let bound = 1.0 / (n_outputs as f64).sqrt();
        let init = Init::Uniform { lo: -bound, up: bound };
        Ok(Self {
            weight: vb.get_with_hints((n_inputs, n_outputs), "weight", init)?,
            attention: linear(operation_dim, n_outputs, &vb.pp("op_attention"))?,
            bias: match placement {
                Placement::Edge => None,
                Placement::Node => Some(vb.get_with_hints(n_outputs, "bias", init)?),
            },
        })
    }

    /// `s = x W`: the part of the layer that looks at each node alone, so that nodes known to be
    /// equal need it once.
    pub fn project(&self, xs: &Tensor) -> Result<Tensor> {
        xs.matmul(&self.weight)
    }

    /// Passes projected node information along the edges.
    ///
    /// # Shapes
    /// - `projected`: `[n_nodes, out]`, from [`Self::project`]
    /// - `operations`: `[n_gated, operation_dim]`, or `[n_nodes, operation_dim]` where operations sit on nodes
    pub fn flow(&self, projected: &Tensor, operations: &Tensor, edges: &Direction) -> Result<Flow> {
        let attention = self.attention.gates(operations)?;
        match &self.bias {
            None => along_gated_edges(projected, &attention, edges),
            Some(bias) => into_gated_nodes(projected, &attention, bias, edges),
        }
    }
}

/// `method.md` sections 0.2 and 0.4: each edge carries its source, gated by its operation.
fn along_gated_edges(projected: &Tensor, attention: &Tensor, edges: &Direction) -> Result<Flow> {
    let Direction { gated, open, .. } = edges;
    let open = carried(projected, open, projected.dim(0)?)?;
    let nodes = add_gated(&open, attention, projected, gated)?;
    Ok(Flow { nodes, gated: Some((attention.clone(), projected.clone())) })
}

/// `method.md` section 0.3: each node gates the sum of itself and its sources by its operation.
fn into_gated_nodes(
    projected: &Tensor,
    attention: &Tensor,
    bias: &Tensor,
    edges: &Direction,
) -> Result<Flow> {
    let Direction { gated, open, .. } = edges;
    let sums = add_carried(projected, projected, gated)?;
    let nodes = add_bias(&add_carried(&(attention * sums)?, projected, open)?, bias)?;
    Ok(Flow { nodes, gated: None })
}

/// Layers of one direction. Each moves information one hop along all edges at once, with ReLU
/// between layers and none after the last.
#[derive(Debug)]
pub struct Stack {
    layers: Vec<Layer>,
}

impl Stack {
    /// One layer for each of `dims`.
    pub fn new(
        placement: Placement,
        n_inputs: usize,
        dims: &[usize],
        operation_dim: usize,
        vb: &VarBuilder,
    ) -> Result<Self> {
        let widths = std::iter::once(&n_inputs).chain(dims);
        let layers = widths
            .zip(dims)
            .enumerate()
            .map(|(i, (&from, &to))| Layer::new(placement, from, to, operation_dim, &vb.pp(i)))
            .collect::<Result<_>>()?;
        Ok(Self { layers })
    }

    /// Runs all layers. `spread` brings the projected rows of `xs` to the nodes they belong to.
    ///
    /// # Shapes
    /// - `xs`: `[rows, n_inputs]`, before they are spread to `[n_nodes, ..]`
    /// - `operations`: as in [`Layer::flow`]
    pub fn flow(
        &self,
        xs: &Tensor,
        spread: impl Fn(&Tensor) -> Result<Tensor>,
        operations: &Tensor,
        edges: &Direction,
    ) -> Result<Flow> {
        let (first, rest) = self.layers.split_first().expect("validated: a stack has a layer");
        let start = first.flow(&spread(&first.project(xs)?)?, operations, edges)?;
        rest.iter().try_fold(start, |flow, layer| {
            layer.flow(&layer.project(&relu(&flow.nodes)?)?, operations, edges)
        })
    }
}

/// Scores embeddings: `[Linear, ReLU, dropout]` for each hidden width, then one number
/// (`method.md` section 0.10).
#[derive(Debug)]
pub struct Head {
    hidden: Vec<Linear>,
    output_weight: Tensor,
    output_bias: Tensor,
}

impl Head {
    /// A head over embeddings of width `n_inputs` with `n_outputs` scores.
    pub fn new(n_inputs: usize, dims: &[usize], n_outputs: usize, vb: &VarBuilder) -> Result<Self> {
        let widths = std::iter::once(&n_inputs).chain(dims);
        let hidden = widths
            .zip(dims)
            .enumerate()
            .map(|(i, (&from, &to))| linear(from, to, &vb.pp(i).pp(0)))
            .collect::<Result<_>>()?;
        let output = linear(dims.last().copied().unwrap_or(n_inputs), n_outputs, &vb.pp(dims.len()))?;
        Ok(Self { hidden, output_weight: output.weight, output_bias: output.bias })
    }

    /// Raw scores of one output, with `dropout` applied to each hidden layer.
    ///
    /// # Shapes
    /// - `embeddings`: `[rows, n_inputs]`
    /// - returns `[rows]`
    pub fn forward(&self, embeddings: &Tensor, output: usize, dropout: &mut dyn Dropout) -> Result<Tensor> {
        let hidden = self
            .hidden
            .iter()
            .try_fold(embeddings.clone(), |xs, layer| dropout.drop(relu(&xs.apply(layer)?)?))?;
        // Not a product of matrices: gemm sums a single column in another order for few rows.
        let scores = hidden.broadcast_mul(&self.output_weight.i(output)?)?.sum(1)?;
        scores.broadcast_add(&self.output_bias.i(output..=output)?)
    }
}

/// What happens to hidden values of a head in training.
pub trait Dropout {
    /// The values with some of them set to zero and the rest scaled up to make good for it.
    ///
    /// # Errors
    /// When the tensor operation fails.
    fn drop(&mut self, xs: Tensor) -> Result<Tensor>;
}

/// As at evaluation: keeps everything.
#[derive(Clone, Copy, Debug)]
pub struct NoDropout;

impl Dropout for NoDropout {
    fn drop(&mut self, xs: Tensor) -> Result<Tensor> {
        Ok(xs)
    }
}
