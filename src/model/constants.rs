//! Tensors of published checkpoints that say something about the model instead of being learnt.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;

use crate::model::naming::Naming;
use crate::model::{CheckpointError, ModelConfig, OtherNode, UpdateMask};
use crate::space::{Placement, Role, SearchSpace};

/// Which operations are updated, `[n_operations, 1]` of 0 and 1.
const UPDATE_MASK: &str = "arch_embedder._parametrized_op_emb";
/// Where nodes start that are no input.
const OTHER_NODE: &str = "arch_embedder.other_node_emb";
/// The embedding of what input nodes compute. Zero.
const INPUT_OPERATION: &str = "arch_embedder.input_op_emb";

/// Whether a tensor keeps its value in training.
#[must_use]
pub fn is_constant(name: &str, cfg: &ModelConfig, space: &SearchSpace) -> bool {
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
    if cfg.n_steps == 1 || space.placement == Placement::Node {
        return Ok(BTreeMap::new());
    }
    let mask = Tensor::from_vec(update_mask(cfg, space), ((), 1), &Device::Cpu)?;
    Ok(BTreeMap::from([(UPDATE_MASK.to_owned(), mask)]))
}

/// Checks that the constants in `vb`, where there are any, say what the configuration says.
pub(in crate::model) fn check(
    cfg: &ModelConfig,
    space: &SearchSpace,
    vb: &VarBuilder,
) -> std::result::Result<(), CheckpointError> {
    if !vb.contains_tensor(UPDATE_MASK) {
        return Ok(());
    }
    let mismatch = |problem: String| CheckpointError::Mismatch(format!("{UPDATE_MASK}: {problem}"));
    let found: Vec<f32> = vb
        .get((space.operations.len(), 1), UPDATE_MASK)
        .and_then(|mask| mask.to_dtype(DType::F32)?.flatten_all()?.to_vec1())
        .map_err(|source| mismatch(source.to_string()))?;
    let expected = update_mask(cfg, space);
    if found == expected {
        Ok(())
    } else {
        Err(mismatch(format!("is {found:?}, the header describes {expected:?}")))
    }
}

fn update_mask(cfg: &ModelConfig, space: &SearchSpace) -> Vec<f32> {
    let is_updated = |role: Role| match cfg.update_mask {
        UpdateMask::Parametrised => role == Role::Parametrised,
        UpdateMask::All => true,
    };
    space.operations.iter().map(|operation| f32::from(is_updated(operation.role))).collect()
}
