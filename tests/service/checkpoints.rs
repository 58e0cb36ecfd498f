//! Predictors that have learnt nothing: small, quick, and as good as any to be served.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use tagates::domain::TaskName;
use tagates::model::{
    Calibration, Checkpoint, Encoder, FORMAT_VERSION, Header, Member, ModelConfig, Network, SeenClasses,
    StepHead, SymmetryBreaking, TaGatesConfig, UpdateInput, Variables, constants,
};
use tagates::space::{self, SearchSpace};
use tempfile::NamedTempFile;

const TASK: Option<&str> = Some(TaskName::NASBENCH201_CIFAR10);

/// Scores in percent for budgets 12 and 200.
pub fn with_budgets() -> NamedTempFile {
    let calibration =
        Calibration::new(vec![(-1.0, 30.0), (1.0, 90.0)], (0.0, 100.0)).expect("increasing knots");
    let head = |step, budget| StepHead { step, budget: Some(budget), calibration: Some(calibration.clone()) };
    write(TASK, small(SymmetryBreaking::None), vec![head(1, 12), head(2, 200)])
}

/// Scores once, in no unit.
pub fn of_one_step() -> NamedTempFile {
    write(TASK, small(SymmetryBreaking::None), vec![final_rank()])
}

/// Names no task.
pub fn without_task() -> NamedTempFile {
    write(None, small(SymmetryBreaking::None), vec![final_rank()])
}

/// Scores architectures of a space that somebody created.
pub fn of_space(space: &Arc<SearchSpace>) -> NamedTempFile {
    // The one that does not mind where operations sit.
    let encoder = TaGatesConfig { update_input: UpdateInput::Nodes, ..small(SymmetryBreaking::None) };
    file(&untrained_in(space, None, model(encoder), vec![final_rank()]))
}

/// Has a head with weights so large that its scores are no numbers.
pub fn of_no_number() -> NamedTempFile {
    let checkpoint = untrained(TASK, small(SymmetryBreaking::None), vec![final_rank()]);
    let tensors =
        candle_core::safetensors::load_buffer(checkpoint.as_bytes(), &Device::Cpu).expect("tensors");
    let tensors = (tensors.into_iter())
        .map(|(name, tensor)| {
            let large = if name.starts_with("mlp.") { tensor.affine(0.0, 1e30) } else { Ok(tensor) };
            (name, large.expect("a tensor"))
        })
        .collect();
    file(&Checkpoint::new(checkpoint.header(), &tensors).expect("finite tensors"))
}

/// Needs two saliency metrics for each operation.
pub fn needing_saliencies() -> NamedTempFile {
    write(TASK, small(SymmetryBreaking::Add { n_metrics: 2, beta: 0.1 }), vec![final_rank()])
}

fn final_rank() -> StepHead {
    StepHead { step: 2, budget: None, calibration: None }
}

fn small(symmetry_breaking: SymmetryBreaking) -> TaGatesConfig {
    TaGatesConfig {
        n_steps: 2,
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 8,
        forward_dims: vec![8],
        backward_dims: vec![8],
        conversion_dims: vec![8],
        update_dims: vec![8],
        symmetry_breaking,
        ..TaGatesConfig::default()
    }
}

fn model(encoder: TaGatesConfig) -> ModelConfig {
    ModelConfig { encoder: Encoder::TaGates(encoder), head_dims: vec![8], ..ModelConfig::default() }
}

fn write(task: Option<&str>, cfg: TaGatesConfig, steps: Vec<StepHead>) -> NamedTempFile {
    file(&untrained(task, cfg, steps))
}

fn file(checkpoint: &Checkpoint) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), checkpoint.as_bytes()).expect("a writable file");
    file
}

fn untrained(task: Option<&str>, cfg: TaGatesConfig, steps: Vec<StepHead>) -> Checkpoint {
    untrained_in(&space::nasbench201(), task, model(cfg), steps)
}

fn untrained_in(
    space: &Arc<SearchSpace>,
    task: Option<&str>,
    cfg: ModelConfig,
    steps: Vec<StepHead>,
) -> Checkpoint {
    let variables = Variables::new(1);
    let vb = variables.builder(DType::F32, &Device::Cpu);
    let scored: Vec<_> = steps.iter().map(|head| head.step).collect();
    Network::new(&cfg, space, &scored, &vb).expect("a network of this shape");
    let mut tensors = constants::tensors(&cfg, space).expect("constants of this shape");
    tensors.extend(variables.by_name().into_iter().map(|(name, var)| (name, Tensor::clone(&var))));
    let header = Header {
        format_version: FORMAT_VERSION,
        predictor_kind: cfg.encoder.kind(),
        members: vec![Member { tensor_prefix: String::new(), seed: 1 }],
        space: space.name.clone(),
        definition: space::builtin(&space.name).is_none().then(|| (**space).clone()),
        task: task.map(Into::into),
        steps,
        model: cfg,
        trained_on: SeenClasses::new([]),
        saliencies: None,
        holdout: None,
        training: serde_json::Value::Null,
        report: serde_json::Value::Null,
    };
    Checkpoint::new(&header, &tensors).expect("a checkpoint of this network")
}
