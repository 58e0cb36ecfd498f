//! Tensors of published checkpoints that say something about the model instead of being learnt.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use crate::model::encoder::is_saliency_statistic;
use crate::model::features;
use crate::model::naming::Naming;
use crate::model::{CheckpointError, Encoder, ModelConfig, OtherNode, TaGatesConfig, UpdateMask};
use crate::space::{Placement, Role, SearchSpace, Wiring};

/// Which operations are updated, `[n_operations, 1]` of 0 and 1.
const UPDATE_MASK: &str = "arch_embedder._parametrized_op_emb";
/// Where nodes start that are no input.
const OTHER_NODE: &str = "arch_embedder.other_node_emb";
/// The embedding of what input nodes compute. Zero.
const INPUT_OPERATION: &str = "arch_embedder.input_op_emb";
/// What encoders without a parameter have. Zero.
const PLACEHOLDER: &str = "arch_embedder._placeholder_tensor";
/// Which edges of a cell read which, by source and then by target, `[n_edges, n_edges]` of 0 and 1.
const LINE_GRAPH: &str = "arch_embedder.adj";

/// Whether a tensor keeps its value in training.
#[must_use]
pub fn is_constant(name: &str, cfg: &ModelConfig, space: &SearchSpace) -> bool {
    if is_statistic(name) {
        return true;
    }
    match &cfg.encoder {
        Encoder::TaGates(cfg) => is_constant_of_ta_gates(name, cfg, space),
        Encoder::Mlp(_) | Encoder::Lstm(_) | Encoder::Seminas(_) | Encoder::Gcn(_) | Encoder::LineGcn(_) => {
            false
        }
    }
}

/// Whether a tensor says something of the training set.
pub(in crate::model) fn is_statistic(name: &str) -> bool {
    features::is_statistic(name) || is_saliency_statistic(name)
}

fn is_constant_of_ta_gates(name: &str, cfg: &TaGatesConfig, space: &SearchSpace) -> bool {
    let is_embedding_of_no_gate = |(index, role): (usize, Role)| {
        matches!(role, Role::None | Role::Skip) && name == format!("arch_embedder.op_embedding_{index}")
    };
    let roles = space.operations.iter().map(|operation| operation.role).enumerate();
    match name {
        OTHER_NODE => cfg.other_node == OtherNode::Zero,
        INPUT_OPERATION => true,
        _ => Naming::of(space) == Naming::Cells && roles.into_iter().any(is_embedding_of_no_gate),
    }
}

/// The constants that no variable stands for, to be written beside the learnt tensors.
///
/// # Errors
/// When a tensor cannot be made.
pub fn tensors(cfg: &ModelConfig, space: &SearchSpace) -> Result<BTreeMap<String, Tensor>> {
    let written = constants(&cfg.encoder, space).into_iter().filter(|constant| constant.is_written);
    written
        .map(|Constant { name, shape, values, .. }| {
            Ok((name.to_owned(), Tensor::from_vec(values, shape, &Device::Cpu)?))
        })
        .collect()
}

/// Checks that the constants in `vb`, where there are any, say what the configuration says.
pub(in crate::model) fn check(
    cfg: &ModelConfig,
    space: &SearchSpace,
    vb: &VarBuilder,
) -> std::result::Result<(), CheckpointError> {
    let found =
        constants(&cfg.encoder, space).into_iter().filter(|constant| vb.contains_tensor(constant.name));
    for Constant { name, shape, values, .. } in found {
        let mismatch = |problem: String| CheckpointError::Mismatch(format!("{name}: {problem}"));
        let found: Vec<f32> = vb
            .get(shape, name)
            .and_then(|found| found.to_dtype(DType::F32)?.flatten_all()?.to_vec1())
            .map_err(|refusal| CheckpointError::tensors(&refusal))?;
        if found != values {
            return Err(mismatch(format!("is {found:?}, the header describes {values:?}")));
        }
    }
    Ok(())
}

/// What a configuration says in a tensor.
struct Constant {
    name: &'static str,
    shape: Vec<usize>,
    values: Vec<f32>,
    /// Whether checkpoints of ours have it; those of others may, if not.
    is_written: bool,
}

fn constants(encoder: &Encoder, space: &SearchSpace) -> Vec<Constant> {
    match encoder {
        Encoder::TaGates(cfg) => {
            let values = update_mask(cfg, space);
            let is_written = cfg.n_steps > 1 && space.placement == Placement::Edge;
            vec![Constant { name: UPDATE_MASK, shape: vec![values.len(), 1], values, is_written }]
        }
        Encoder::Mlp(cfg) if cfg.dims.is_empty() => {
            vec![Constant { name: PLACEHOLDER, shape: vec![1], values: vec![0.0], is_written: true }]
        }
        Encoder::LineGcn(_) if space.wiring == Wiring::Complete && space.cells.len() == 1 => {
            let (n_edges, values) = line_graph(space.cells[0].n_inputs, space.cells[0].n_nodes);
            vec![Constant { name: LINE_GRAPH, shape: vec![n_edges, n_edges], values, is_written: true }]
        }
        Encoder::Mlp(_) | Encoder::Lstm(_) | Encoder::Seminas(_) | Encoder::Gcn(_) | Encoder::LineGcn(_) => {
            Vec::new()
        }
    }
}

/// How many edges a complete cell has, and for each of them, whether it reads each.
fn line_graph(n_inputs: usize, n_nodes: usize) -> (usize, Vec<f32>) {
    let edges: Vec<(usize, usize)> = (0..n_nodes)
        .flat_map(|source| (n_inputs.max(source + 1)..n_nodes).map(move |target| (source, target)))
        .collect();
    let reads = |(source, _): &(usize, usize), (_, target): &(usize, usize)| f32::from(source == target);
    (edges.len(), edges.iter().flat_map(|edge| edges.iter().map(|other| reads(edge, other))).collect())
}

fn update_mask(cfg: &TaGatesConfig, space: &SearchSpace) -> Vec<f32> {
    let is_updated = |role: Role| match cfg.update_mask {
        UpdateMask::Parametrised => role == Role::Parametrised,
        UpdateMask::All => true,
    };
    space.operations.iter().map(|operation| f32::from(is_updated(operation.role))).collect()
}
