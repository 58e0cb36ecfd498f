//! The encoders that TA-GATES is compared with: embeddings and scores, and their state dicts as checkpoints.

use candle_core::DType;
use serde::Deserialize;
use serde_json::Value;
use tagates::model::{Encoder, GcnConfig, Input, LstmConfig, MlpConfig, ModelConfig};
use tagates::space::Architecture;

use crate::published::assert_imported;
use crate::vectors::{self, assert_close, evaluate, network, parse, read, space_of};

#[derive(Deserialize)]
struct Golden {
    weights: String,
    cfg: PublishedConfig,
    mlp_hiddens: Vec<usize>,
    archs: Vec<GoldenArchitecture>,
}

/// What the published configurations of all of them say.
#[derive(Deserialize)]
struct PublishedConfig {
    #[serde(alias = "emb_hid", alias = "op_embedding_dim")]
    embedding_dim: Option<usize>,
    #[serde(alias = "num_hid")]
    hid_dim: Option<usize>,
    gcn_out_dims: Option<Vec<usize>>,
}

impl PublishedConfig {
    fn lstm(&self) -> LstmConfig {
        let (embedding_dim, hidden_dim) = (self.embedding_dim.expect("of LSTMs"), self.hid_dim.expect("too"));
        LstmConfig { embedding_dim, hidden_dim }
    }

    fn gcn(&self) -> GcnConfig {
        GcnConfig {
            operation_dim: self.embedding_dim.expect("of GCNs"),
            hidden_dim: self.hid_dim.expect("of GCNs"),
            dims: self.gcn_out_dims.clone().expect("of GCNs"),
        }
    }
}

#[derive(Deserialize)]
struct GoldenArchitecture {
    text: Value,
    embedding: Vec<f64>,
    score_raw: f64,
}

fn check(file: &str, encoder: impl Fn(&PublishedConfig) -> Encoder) {
    let golden: Golden = read(&format!("{file}.json"));
    let space = space_of(file);
    let cfg = ModelConfig {
        encoder: encoder(&golden.cfg),
        head_dims: golden.mlp_hiddens.clone(),
        ..ModelConfig::default()
    };
    let architectures: Vec<Architecture> =
        golden.archs.iter().map(|golden| parse(&space, &golden.text)).collect();
    let inputs: Vec<Input<'_>> = architectures.iter().map(Input::from).collect();
    for dtype in [DType::F64, DType::F32] {
        let network = network(&cfg, &space, vectors::weights(&golden.weights), dtype);
        let (embeddings, scores) = evaluate(&network, &inputs);
        for (i, expected) in golden.archs.iter().enumerate() {
            let what = format!("{file} {}", expected.text);
            assert_close(&what, &embeddings[0][i], &expected.embedding, dtype);
            assert_close(&what, &scores[0][i..=i], &[expected.score_raw], dtype);
        }
    }

    let scores: Vec<f64> = golden.archs.iter().map(|expected| expected.score_raw).collect();
    assert_imported(&golden.weights, &cfg, &space, &inputs, &scores);
}

#[test]
fn base_nb101_mlp() {
    check("base_nb101_mlp", |_| Encoder::Mlp(MlpConfig::default()));
}

#[test]
fn base_nb201_mlp() {
    check("base_nb201_mlp", |_| Encoder::Mlp(MlpConfig::default()));
}

#[test]
fn base_nb101_lstm() {
    check("base_nb101_lstm", |published| Encoder::Lstm(published.lstm()));
}

#[test]
fn base_nb201_lstm() {
    check("base_nb201_lstm", |published| Encoder::Lstm(published.lstm()));
}

#[test]
fn base_nb101_gcn_global() {
    check("base_nb101_gcn_global", |published| Encoder::Gcn(published.gcn()));
}

#[test]
fn base_nb201_linegcn() {
    check("base_nb201_linegcn", |published| Encoder::LineGcn(published.gcn()));
}
