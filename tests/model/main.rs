//! What checkpoints and models promise: one answer to one question, and no trust in a file.

mod baselines;
mod checkpoint;
mod determinism;
mod members;
mod representative;
mod training;

use std::sync::Arc;

use candle_core::Device;
use tagates::domain::{Goal, Unit};
use tagates::fit::{Dataset, Example, FitConfig, Target, Trainer};
use tagates::model::{Checkpoint, Encoder, ModelConfig, SymmetryBreaking, TaGatesConfig, UpdateInput};
use tagates::space::{self, Architecture, Operation, Role, Saliencies, SearchSpace};

/// A configuration that trains in no time.
fn tiny(symmetry_breaking: SymmetryBreaking) -> FitConfig {
    let config = FitConfig::named("nasbench201").expect("a built-in configuration");
    let encoder = TaGatesConfig {
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 12,
        forward_dims: vec![16; 3],
        backward_dims: vec![16; 3],
        conversion_dims: vec![16, 16],
        update_dims: vec![16],
        symmetry_breaking,
        ..TaGatesConfig::default()
    };
    let model =
        ModelConfig { encoder: Encoder::TaGates(encoder), head_dims: vec![24], ..config.model.clone() };
    FitConfig { model, n_epochs: 4, batch_size: 16, ..config }
}

/// The same for spaces of any kind, where operations may sit on nodes.
fn tiny_of_nodes(symmetry_breaking: SymmetryBreaking) -> FitConfig {
    let mut config = tiny(symmetry_breaking);
    ta_gates(&mut config.model).update_input = UpdateInput::Nodes;
    config
}

fn ta_gates(model: &mut ModelConfig) -> &mut TaGatesConfig {
    let Encoder::TaGates(encoder) = &mut model.encoder else { panic!("no TA-GATES") };
    encoder
}

/// Architectures with made-up accuracies after 12 and 200 epochs: what their convolutions cost.
fn labelled(n: usize, config: &FitConfig) -> Dataset {
    labelled_of(&space::nasbench201(), n, config)
}

fn labelled_of(space: &Arc<SearchSpace>, n: usize, config: &FitConfig) -> Dataset {
    let space = space.clone();
    let examples = space.sample(n, 5).into_iter().map(|architecture| Example {
        class: architecture.canonical().id,
        saliencies: config.model.n_metrics().map(|n_metrics| saliencies(&architecture, n_metrics)),
        infeasible: Vec::new(),
        labels: [20.0, 10.0].map(|base| Some(base + 80.0 * quality(&architecture))).to_vec(),
        architecture,
    });
    let examples = examples.collect();
    let targets = ["acc_12", "acc_200"].map(Target::of_column).to_vec();
    Dataset { space, goal: Goal::Maximize, unit: Unit::Percent, targets, examples }
}

/// The mean worth of the operations: with weights 0.6, 1.0 and so on in their order, of a skip 0.3.
fn quality(architecture: &Architecture) -> f64 {
    let operations = &architecture.space().operations;
    let is_parametrised = |operation: &&Operation| operation.role == Role::Parametrised;
    let worth = |index: usize| match operations[index].role {
        Role::Parametrised => 0.6 + 0.4 * operations[..index].iter().filter(is_parametrised).count() as f64,
        Role::Skip => 0.3,
        Role::Free | Role::None => 0.0,
    };
    let worths: Vec<f64> = architecture.operations().map(|operation| worth(operation.0).min(1.0)).collect();
    worths.iter().sum::<f64>() / worths.len().max(1) as f64
}

/// Made-up saliencies that differ between places.
fn saliencies(architecture: &Architecture, n_metrics: usize) -> Saliencies {
    let placement = architecture.space().placement;
    let n_places: usize = architecture.cells().iter().map(|cell| cell.n_places(placement)).sum();
    let values =
        (0..n_places).flat_map(|i| (0..n_metrics).map(move |metric| ((i * 7 + metric) as f64).sin()));
    Saliencies::new(n_metrics, values.collect()).expect("finite values")
}

/// The checkpoint of a short training.
fn trained(config: &FitConfig) -> Checkpoint {
    trained_of(&space::nasbench201(), config)
}

fn trained_of(space: &Arc<SearchSpace>, config: &FitConfig) -> Checkpoint {
    let dataset = labelled_of(space, 32, config);
    fitted(config, &dataset, 3)
}

/// What a whole training makes.
fn fitted(config: &FitConfig, dataset: &Dataset, seed: u64) -> Checkpoint {
    let mut trainer = Trainer::new(config, dataset, seed, &Device::Cpu).expect("a dataset to train on");
    while !trainer.is_done() {
        trainer.run_epoch().expect("an epoch");
    }
    trainer.checkpoint().expect("a checkpoint")
}
