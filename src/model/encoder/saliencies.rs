//! The scale of saliencies: what the training set says of those of operations with trained weights.

use crate::model::statistics::Statistics;
use crate::model::{Encoder, Input, SaliencyScale, TaGatesConfig};
use crate::space::{Architecture, OperationIndex, Placement, Role};

/// What the tensors of their statistics are named after, in an encoder.
pub const SALIENCIES: &str = "saliencies";
/// The same, in a model.
const PREFIX: &str = "arch_embedder.saliencies";

/// How many metrics are standardised; `None` where they are not, or there are none.
pub fn standardised_metrics(cfg: &TaGatesConfig) -> Option<usize> {
    match cfg.saliency_scale {
        SaliencyScale::AsGiven => None,
        SaliencyScale::Standardised => cfg.symmetry_breaking.n_metrics(),
    }
}

/// Whether a tensor keeps their statistics: it says something of the training set and is not learnt.
pub fn is_saliency_statistic(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with('.'))
}

/// Mean and deviation of each metric over the operations with trained weights of all inputs, and what their tensors are
/// named after; `None` where saliencies are not standardised.
pub fn saliency_statistics(encoder: &Encoder, inputs: &[Input<'_>]) -> Option<(&'static str, Statistics)> {
    let Encoder::TaGates(cfg) = encoder else { return None };
    let n_metrics = standardised_metrics(cfg)?;
    let mut rows = Vec::new();
    for input in inputs {
        let Some(saliencies) = input.saliencies else { continue };
        let of_operations = has_weights(input.architecture).into_iter().zip(saliencies.rows());
        let with_weights = of_operations.filter(|(has_weights, _)| *has_weights);
        rows.extend(with_weights.map(|(_, row)| row.iter().copied().map(Some).collect::<Vec<_>>()));
    }
    Some((PREFIX, Statistics::of(n_metrics, &rows)))
}

/// For each place of an architecture, whether an operation with trained weights is there.
fn has_weights(architecture: &Architecture) -> Vec<bool> {
    let space = architecture.space();
    let is_parametrised =
        |operation: OperationIndex| space.operations[operation.0].role == Role::Parametrised;
    let cells = architecture.cells().iter().zip(&space.cells);
    cells
        .flat_map(|(cell, shape)| {
            (0..cell.n_places(space.placement)).map(move |place| match space.placement {
                Placement::Edge => cell.edges[place].operation,
                Placement::Node => cell.node_operation(shape, place),
            })
        })
        .map(|operation| operation.is_some_and(is_parametrised))
        .collect()
}
