//! Reads golden files: the configuration, architectures and expected tensors of each.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::Deserialize;
use tagates::model::{
    GraphBatch, Input, ModelConfig, Network, NoDropout, Padding, SymmetryBreaking, UpdateInput, UpdateMask,
};
use tagates::space::{self, Architecture, Saliencies};

/// A published configuration.
#[derive(Debug, Deserialize)]
pub struct NetworkConfig {
    pub arch_embedder_cfg: EncoderConfig,
    pub mlp_hiddens: Vec<usize>,
}

/// The part of a published configuration that shapes the encoder.
#[derive(Debug, Deserialize)]
pub struct EncoderConfig {
    op_embedding_dim: usize,
    node_embedding_dim: usize,
    hid_dim: usize,
    gcn_out_dims: Vec<usize>,
    #[serde(default = "one")]
    num_time_steps: usize,
    #[serde(default = "one_wide")]
    backward_gcn_out_dims: Vec<usize>,
    #[serde(default = "one_wide")]
    fb_conversion_dims: Vec<usize>,
    #[serde(default)]
    updateopemb_dims: Vec<usize>,
    #[serde(default)]
    updateopemb_scale: f64,
    #[serde(default)]
    updateopemb_method: String,
    symmetry_breaking_method: Option<String>,
    #[serde(default)]
    concat_param_zs_as_opemb_dimension: usize,
    #[serde(default = "one_coefficient")]
    param_zs_add_coeff: f64,
    /// Says where the update mask was switched off.
    #[serde(rename = "_note")]
    note: Option<String>,
}

fn one() -> usize {
    1
}

fn one_wide() -> Vec<usize> {
    vec![1]
}

fn one_coefficient() -> f64 {
    1.0
}

impl EncoderConfig {
    /// The same model in our words.
    pub fn model(&self, head_dims: &[usize]) -> ModelConfig {
        let n_metrics = self.concat_param_zs_as_opemb_dimension;
        ModelConfig {
            n_steps: self.num_time_steps,
            operation_dim: self.op_embedding_dim,
            node_dim: self.node_embedding_dim,
            hidden_dim: self.hid_dim,
            forward_dims: self.gcn_out_dims.clone(),
            backward_dims: self.backward_gcn_out_dims.clone(),
            conversion_dims: self.fb_conversion_dims.clone(),
            update_dims: self.updateopemb_dims.clone(),
            update_scale: self.updateopemb_scale,
            update_input: match self.updateopemb_method.as_str() {
                "concat_ofb" => UpdateInput::Nodes,
                "concat_ofb_message" | "" => UpdateInput::Messages,
                other => panic!("golden file with update method {other}"),
            },
            update_mask: match &self.note {
                Some(note) if note.starts_with("update mask all ones") => UpdateMask::All,
                Some(note) => panic!("golden file with note {note}"),
                None => UpdateMask::Parametrised,
            },
            symmetry_breaking: match self.symmetry_breaking_method.as_deref() {
                None => SymmetryBreaking::None,
                Some("param_zs") => SymmetryBreaking::Concat { n_metrics },
                Some("param_zs_add") => SymmetryBreaking::Add { n_metrics, beta: self.param_zs_add_coeff },
                Some(other) => panic!("golden file with symmetry breaking {other}"),
            },
            head_dims: head_dims.to_vec(),
            head_dropout: 0.1,
        }
    }
}

/// The path of a golden file.
pub fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vectors").join(file)
}

/// The contents of a golden `.json`.
pub fn read<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let text = std::fs::read_to_string(path(file)).expect("the golden file is in the repository");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The weights in a golden `.safetensors`.
pub fn weights(file: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path(file), &Device::Cpu)
        .expect("the golden weights are in the repository")
}

/// An architecture of NAS-Bench-201.
pub fn parse(text: &str) -> Architecture {
    space::nasbench201().parse(text).expect("golden architectures are valid")
}

/// `z[target][source]` as saliencies of the written edges.
pub fn saliencies(z: &[Vec<Vec<f64>>], architecture: &Architecture) -> Saliencies {
    let edges = &architecture.cells()[0].edges;
    let rows: Vec<&[f64]> = edges.iter().map(|edge| z[edge.target][edge.source].as_slice()).collect();
    Saliencies::new(rows[0].len(), rows.concat()).expect("golden saliencies are finite")
}

/// A network of golden weights that scores every step.
pub fn network(cfg: &ModelConfig, weights: HashMap<String, Tensor>, dtype: DType) -> Network {
    let vb = VarBuilder::from_tensors(weights, dtype, &Device::Cpu);
    let steps: Vec<usize> = (1..=cfg.n_steps).collect();
    let n_operations = space::nasbench201().operations.len();
    Network::new(cfg, n_operations, &steps, &vb).expect("golden weights fit their configuration")
}

/// What a network says of `inputs`: embeddings `[step][input][..]` and scores `[step][input]`.
pub fn evaluate(
    network: &Network,
    cfg: &ModelConfig,
    inputs: &[Input<'_>],
    dtype: DType,
) -> (Vec<Vec<Vec<f64>>>, Vec<Vec<f64>>) {
    let batch = GraphBatch::new(inputs, cfg, &mut |_, n| vec![0.0; n], Padding::None, dtype, &Device::Cpu)
        .expect("a batch of valid architectures");
    let embeddings = network.embed(&batch).expect("the encoder runs");
    let scores = embeddings.iter().enumerate().map(|(index, embeddings)| {
        let scores = network.score(index, embeddings, &mut NoDropout).expect("the head runs");
        scores.to_dtype(DType::F64).and_then(|scores| scores.to_vec1()).expect("scores are numbers")
    });
    let scores = scores.collect();
    let embeddings = embeddings
        .iter()
        .map(|rows| {
            rows.to_dtype(DType::F64).and_then(|rows| rows.to_vec2()).expect("embeddings are numbers")
        })
        .collect();
    (embeddings, scores)
}

/// Asserts that each value is within the tolerance of the golden README: `1e-5` in f32, `1e-9` in
/// f64, times the largest value of the tensor where that is above 1.
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], dtype: DType) {
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    let largest = expected.iter().fold(1.0_f64, |largest, value| largest.max(value.abs()));
    let tolerance = if dtype == DType::F64 { 1e-9 } else { 1e-5 } * largest;
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).abs();
        assert!(difference <= tolerance, "{what}[{index}]: {found} is not {expected}, off by {difference:e}");
    }
}
