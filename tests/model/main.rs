//! What checkpoints and models promise: one answer to one question, and no trust in a file.

mod checkpoint;
mod determinism;
mod training;

use std::sync::Arc;

use tagates::domain::{Goal, Unit};
use tagates::fit::{Dataset, Example, FitConfig, Target, Trainer};
use tagates::model::{Checkpoint, ModelConfig, SymmetryBreaking};
use tagates::space::{self, Architecture, Role, Saliencies, SearchSpace};

/// A configuration that trains in no time.
fn tiny(symmetry_breaking: SymmetryBreaking) -> FitConfig {
    let config = FitConfig::named("nasbench201").expect("a built-in configuration");
    let model = ModelConfig {
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 12,
        forward_dims: vec![16; 3],
        backward_dims: vec![16; 3],
        conversion_dims: vec![16, 16],
        update_dims: vec![16],
        symmetry_breaking,
        head_dims: vec![24],
        ..config.model.clone()
    };
    FitConfig { model, n_epochs: 4, batch_size: 16, ..config }
}

/// Architectures with made-up accuracies after 12 and 200 epochs: what their convolutions cost.
fn labelled(n: usize, config: &FitConfig) -> Dataset {
    let space: Arc<SearchSpace> = space::nasbench201();
    let examples = space.sample(n, 5).into_iter().map(|architecture| Example {
        class: architecture.canonical().id,
        saliencies: config
            .model
            .symmetry_breaking
            .n_metrics()
            .map(|n_metrics| saliencies(&architecture, n_metrics)),
        infeasible: Vec::new(),
        labels: [20.0, 10.0].map(|base| Some(base + 80.0 * quality(&architecture))).to_vec(),
        architecture,
    });
    let examples = examples.collect();
    let targets = ["acc_12", "acc_200"].map(Target::of_column).to_vec();
    Dataset { space, goal: Goal::Maximize, unit: Unit::Percent, targets, examples }
}

/// The share of edges with a convolution that a 3x3 one counts in full.
fn quality(architecture: &Architecture) -> f64 {
    let operations = &architecture.space().operations;
    let worth = |name: &str| match name {
        "nor_conv_3x3" => 1.0,
        "nor_conv_1x1" => 0.6,
        "skip_connect" => 0.3,
        _ => 0.0,
    };
    let edges = &architecture.cells()[0].edges;
    edges.iter().filter_map(|edge| Some(worth(&operations[edge.operation?.0].name))).sum::<f64>()
        / edges.len() as f64
}

/// Made-up saliencies that differ between operations.
fn saliencies(architecture: &Architecture, n_metrics: usize) -> Saliencies {
    let edges = &architecture.cells()[0].edges;
    let operations = &architecture.space().operations;
    let values = edges.iter().enumerate().flat_map(|(i, edge)| {
        let is_parametrised = edge.operation.is_some_and(|op| operations[op.0].role == Role::Parametrised);
        (0..n_metrics).map(move |metric| if is_parametrised { ((i * 7 + metric) as f64).sin() } else { 0.0 })
    });
    Saliencies::new(n_metrics, values.collect()).expect("finite values")
}

/// The checkpoint of a short training.
fn trained(config: &FitConfig) -> Checkpoint {
    let dataset = labelled(32, config);
    let mut trainer = Trainer::new(config, &dataset, 3).expect("a dataset to train on");
    while !trainer.is_done() {
        trainer.run_epoch().expect("an epoch");
    }
    trainer.checkpoint().expect("a checkpoint")
}
