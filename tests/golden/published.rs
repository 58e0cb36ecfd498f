//! Published state dicts as checkpoints of ours, and back.

use candle_core::DType;
use serde::Deserialize;
use serde_json::Value;
use tagates::model::{Checkpoint, Input, Model, ModelConfig};
use tagates::space::SearchSpace;

use crate::vectors::{self, NetworkConfig, assert_close, parse, path, read, space_of, tensors_of};

#[derive(Deserialize)]
struct Golden {
    weights: String,
    arch_network_cfg: NetworkConfig,
    archs: Vec<GoldenArchitecture>,
}

#[derive(Deserialize)]
struct GoldenArchitecture {
    text: Value,
    step_scores_f64: Vec<f64>,
}

/// Checks that published weights are served with these scores, one each, and written back as they were.
pub fn assert_imported(
    weights: &str,
    cfg: &ModelConfig,
    space: &SearchSpace,
    inputs: &[Input<'_>],
    scores: &[f64],
) {
    let bytes = std::fs::read(path(weights)).expect("golden weights");
    let checkpoint = Checkpoint::from_published(&bytes, cfg, space, &[]).expect("a published state dict");
    let model = Model::load(&checkpoint, &vectors::device()).expect("a model");
    for (input, expected) in inputs.iter().zip(scores) {
        let scores = model.scores(&[*input]).expect("scores").remove(0);
        assert_close(input.architecture.text(), &scores, &[*expected], DType::F32);
    }
    let written = checkpoint.to_published().expect("a state dict");
    assert_eq!(tensors_of(&written), tensors_of(&bytes), "{weights}");
}

fn check(file: &str, budgets: &[u32]) {
    let golden: Golden = read(&format!("{file}_T3.json"));
    let space = space_of(file);
    let cfg = golden.arch_network_cfg.arch_embedder_cfg.model(&space, &golden.arch_network_cfg.mlp_hiddens);
    let bytes = std::fs::read(path(&golden.weights)).expect("golden weights");
    let checkpoint =
        Checkpoint::from_published(&bytes, &cfg, &space, budgets).expect("a published state dict");
    let model = Model::load(&checkpoint, &vectors::device()).expect("a model");
    let n_heads = budgets.len().max(1);
    for expected in &golden.archs {
        let architecture = parse(&space, &expected.text);
        let scores = model.scores(&[Input::from(&architecture)]).expect("scores").remove(0);
        let heads = &expected.step_scores_f64[expected.step_scores_f64.len() - n_heads..];
        assert_close(architecture.text(), &scores, heads, DType::F32);
    }

    let written = checkpoint.to_published().expect("a state dict");
    let mut expected = tensors_of(&bytes);
    // Heads that are not asked for stay behind.
    expected.retain(|name, _| {
        (1..cfg.n_steps()).all(|step| {
            !name.starts_with(&format!("pre_mlps.{}.", step - 1)) || step + n_heads > cfg.n_steps()
        })
    });
    assert_eq!(tensors_of(&written), expected, "{file}");
}

#[test]
fn a_published_state_dict_is_served_and_written_back_in_every_space() {
    check("nb101_none", &[]);
    check("nb101_none", &[4, 12, 108]);
    check("nb201_l5_none", &[12, 200]);
    check("nb301_none", &[]);
    check("enas_none", &[]);
}
