//! Embeddings and scores of every time step.

use candle_core::DType;
use serde::Deserialize;
use serde_json::Value;
use tagates::model::{Input, ModelConfig};
use tagates::space::{Architecture, Saliencies};

use crate::published::assert_imported;
use crate::vectors::{
    self, EncoderConfig, NetworkConfig, assert_close, evaluate, network, parse, read, space_of,
};

#[derive(Deserialize)]
struct Golden {
    weights: String,
    #[serde(rename = "T")]
    n_steps: usize,
    arch_network_cfg: NetworkConfig,
    archs: Vec<GoldenArchitecture>,
}

#[derive(Deserialize)]
struct GoldenArchitecture {
    text: Value,
    z: Option<Value>,
    final_embedding_f64: Vec<f64>,
    step_scores_f64: Vec<f64>,
    step_embeddings_f64: Option<Vec<Vec<f64>>>,
}

fn check(file: &str, dtype: DType) {
    let golden: Golden = read(&format!("{file}_T3.json"));
    let space = space_of(file);
    let cfg = golden.arch_network_cfg.arch_embedder_cfg.model(&space, &golden.arch_network_cfg.mlp_hiddens);
    assert_eq!(cfg.n_steps(), golden.n_steps);
    let network = network(&cfg, &space, vectors::weights(&golden.weights), dtype);
    let architectures: Vec<(Architecture, Option<Saliencies>)> = golden
        .archs
        .iter()
        .map(|golden| {
            let architecture = parse(&space, &golden.text);
            let saliencies = golden.z.as_ref().map(|z| vectors::saliencies(z, &architecture));
            (architecture, saliencies)
        })
        .collect();
    let inputs: Vec<Input<'_>> = architectures
        .iter()
        .map(|(architecture, saliencies)| Input { architecture, saliencies: saliencies.as_ref() })
        .collect();

    let (embeddings, scores) = evaluate(&network, &inputs);
    for (i, expected) in golden.archs.iter().enumerate() {
        let what = format!("{file} {}", expected.text);
        assert_close(
            &format!("{what} embedding"),
            &embeddings[cfg.n_steps() - 1][i],
            &expected.final_embedding_f64,
            dtype,
        );
        let steps: Vec<f64> = scores.iter().map(|scores| scores[i]).collect();
        assert_close(&format!("{what} scores"), &steps, &expected.step_scores_f64, dtype);
        for (step, expected) in expected.step_embeddings_f64.iter().flatten().enumerate() {
            assert_close(&format!("{what} embedding of step {step}"), &embeddings[step][i], expected, dtype);
        }
    }
}

macro_rules! golden {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name), DType::F64);
                check(stringify!($name), DType::F32);
            }
        )*
    };
}

golden!(
    nb201_l3_none,
    nb201_l3_add,
    nb201_l3_concat,
    nb201_l5_none,
    nb201_l5_add,
    nb201_l5_concat,
    nb201_l5_papermode_add,
    nb201_l5_papermode_ofb_add,
    nb101_none,
    nb101_add,
    nb101_concat,
    nb301_none,
    nb301_add,
    nb301_concat,
    enas_none,
    enas_concat,
);

#[derive(Deserialize)]
struct GoldenGates {
    weights: String,
    cfg: EncoderConfig,
    mlp_hiddens: Vec<usize>,
    archs: Vec<GoldenGatesArchitecture>,
}

#[derive(Deserialize)]
struct GoldenGatesArchitecture {
    text: Value,
    embedding: Vec<f64>,
    score_raw: f64,
}

fn check_gates(file: &str) {
    let golden: GoldenGates = read(&format!("{file}.json"));
    let space = space_of(file);
    let cfg: ModelConfig = golden.cfg.model(&space, &golden.mlp_hiddens);
    assert_eq!(cfg.n_steps(), 1);
    let architectures: Vec<Architecture> =
        golden.archs.iter().map(|golden| parse(&space, &golden.text)).collect();
    let inputs: Vec<Input<'_>> = architectures.iter().map(Input::from).collect();
    for dtype in [DType::F64, DType::F32] {
        let network = network(&cfg, &space, vectors::weights(&golden.weights), dtype);
        let (embeddings, scores) = evaluate(&network, &inputs);
        for (i, expected) in golden.archs.iter().enumerate() {
            let what = expected.text.to_string();
            assert_close(&what, &embeddings[0][i], &expected.embedding, dtype);
            assert_close(&what, &scores[0][i..=i], &[expected.score_raw], dtype);
        }
    }
    let scores: Vec<f64> = golden.archs.iter().map(|expected| expected.score_raw).collect();
    assert_imported(&golden.weights, &cfg, &space, &inputs, &scores);
}

#[test]
fn base_nb101_gates() {
    check_gates("base_nb101_gates");
}

#[test]
fn base_nb201_gates() {
    check_gates("base_nb201_gates");
}
