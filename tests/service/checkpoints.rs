//! Predictors that have learnt nothing: small, quick, and as good as any to be served.

use candle_core::{DType, Device, Tensor};
use tagates::domain::TaskName;
use tagates::model::{
    Checkpoint, FORMAT_VERSION, Header, Member, ModelConfig, Network, PredictorKind, StepHead,
    SymmetryBreaking, Variables, constants,
};
use tagates::space;
use tempfile::NamedTempFile;

/// Scores once, in no unit, and says which task it is of.
pub fn of_one_step() -> NamedTempFile {
    write(Some(TaskName::NASBENCH201_CIFAR10), small(SymmetryBreaking::None))
}

/// Names no task.
pub fn without_task() -> NamedTempFile {
    write(None, small(SymmetryBreaking::None))
}

/// Needs two saliency metrics for each operation.
pub fn needing_saliencies() -> NamedTempFile {
    write(Some(TaskName::NASBENCH201_CIFAR10), small(SymmetryBreaking::Add { n_metrics: 2, beta: 0.1 }))
}

fn small(symmetry_breaking: SymmetryBreaking) -> ModelConfig {
    ModelConfig {
        n_steps: 2,
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 8,
        forward_dims: vec![8],
        backward_dims: vec![8],
        conversion_dims: vec![8],
        update_dims: vec![8],
        head_dims: vec![8],
        symmetry_breaking,
        ..ModelConfig::default()
    }
}

fn write(task: Option<&str>, cfg: ModelConfig) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), untrained(task, cfg).as_bytes()).expect("a writable file");
    file
}

fn untrained(task: Option<&str>, cfg: ModelConfig) -> Checkpoint {
    let space = space::nasbench201();
    let variables = Variables::new(1);
    let vb = variables.builder(DType::F32, &Device::Cpu);
    Network::new(&cfg, space.operations.len(), &[cfg.n_steps], &vb).expect("a network of this shape");
    let mut tensors = constants::tensors(&cfg, &space).expect("constants of this shape");
    tensors.extend(variables.by_name().into_iter().map(|(name, var)| (name, Tensor::clone(&var))));
    let header = Header {
        format_version: FORMAT_VERSION,
        predictor_kind: PredictorKind::TaGates,
        members: vec![Member { tensor_prefix: String::new(), seed: 1 }],
        space: space.name.clone(),
        task: task.map(Into::into),
        steps: vec![StepHead { step: cfg.n_steps, budget: None, calibration: None }],
        model: cfg,
        holdout: None,
        training: serde_json::Value::Null,
        report: serde_json::Value::Null,
    };
    Checkpoint::new(&header, &tensors).expect("a checkpoint of this network")
}
