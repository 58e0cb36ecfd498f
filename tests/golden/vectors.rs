//! Reads golden files: the configuration, architectures and expected tensors of each.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use serde::Deserialize;
use serde_json::Value;
use tagates::model::{
    DeviceChoice, Encoder, Input, ModelConfig, Network, NoDropout, OtherNode, Padding, SymmetryBreaking,
    TaGatesConfig, UpdateInput, UpdateMask,
};
use tagates::space::{self, Architecture, Saliencies, SearchSpace};

/// A published configuration.
#[derive(Debug, Deserialize)]
pub struct NetworkConfig {
    pub arch_embedder_cfg: EncoderConfig,
    pub mlp_hiddens: Vec<usize>,
}

/// The part of a published configuration that shapes the encoder. Spaces of two cells have other names for some.
#[derive(Debug, Deserialize)]
pub struct EncoderConfig {
    #[serde(alias = "op_dim")]
    op_embedding_dim: usize,
    #[serde(alias = "node_dim")]
    node_embedding_dim: usize,
    #[serde(alias = "hidden_dim")]
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
    #[serde(default = "published_scale")]
    updateopemb_scale: f64,
    #[serde(default)]
    updateopemb_method: String,
    mask_nonparametrized_ops: Option<bool>,
    other_node_zero: Option<bool>,
    symmetry_breaking_method: Option<String>,
    #[serde(default)]
    concat_param_zs_as_opemb_dimension: usize,
    /// Of NAS-Bench-201.
    param_zs_add_coeff: Option<f64>,
    /// Of the other spaces.
    concat_param_zs_as_opemb_scale: Option<f64>,
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

fn published_scale() -> f64 {
    0.1
}

impl EncoderConfig {
    /// The same model of `space` in our words.
    pub fn model(&self, space: &SearchSpace, head_dims: &[usize]) -> ModelConfig {
        let n_metrics = self.concat_param_zs_as_opemb_dimension;
        let beta = self.param_zs_add_coeff.or(self.concat_param_zs_as_opemb_scale).unwrap_or(1.0);
        // Both spaces of one cell have their own constant.
        let trains_other_node = match space.name.as_str() {
            "nasbench101" => true,
            "nasbench201" => false,
            _ => self.other_node_zero == Some(false),
        };
        let encoder = TaGatesConfig {
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
                None if self.mask_nonparametrized_ops == Some(false) => UpdateMask::All,
                None => UpdateMask::Parametrised,
            },
            symmetry_breaking: match self.symmetry_breaking_method.as_deref() {
                None => SymmetryBreaking::None,
                Some("param_zs") => SymmetryBreaking::Concat { n_metrics },
                Some("param_zs_add") => SymmetryBreaking::Add { n_metrics, beta },
                Some(other) => panic!("golden file with symmetry breaking {other}"),
            },
            other_node: if trains_other_node { OtherNode::Trained } else { OtherNode::Zero },
            ..TaGatesConfig::default()
        };
        ModelConfig {
            encoder: Encoder::TaGates(encoder),
            head_dims: head_dims.to_vec(),
            ..ModelConfig::default()
        }
    }
}

/// What computes: the CPU, or what `TAGATES_DEVICE` names, as `scripts/gpu-check` does.
pub fn device() -> Device {
    let choice = std::env::var("TAGATES_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let choice: DeviceChoice = choice.parse().expect("TAGATES_DEVICE names a device");
    choice.open().expect("the device answers").device
}

/// The path of a golden file: tests start in the folder of the package.
pub fn path(file: &str) -> PathBuf {
    Path::new("tests/golden/vectors").join(file)
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

/// The values in the bytes of a safetensors file, by name.
pub fn tensors_of(bytes: &[u8]) -> BTreeMap<String, Vec<f32>> {
    let tensors = candle_core::safetensors::load_buffer(bytes, &Device::Cpu).expect("safetensors");
    let values = tensors.into_iter().map(|(name, tensor)| {
        (name, tensor.flatten_all().and_then(|values| values.to_vec1()).expect("numbers"))
    });
    values.collect()
}

/// The search space of the golden files whose names begin so.
pub fn space_of(file: &str) -> Arc<SearchSpace> {
    let of = |part: &str| file.split('_').any(|word| word == part);
    match () {
        () if of("nb101") => space::nasbench101(),
        () if of("nb201") => space::nasbench201(),
        () if of("nb301") => space::darts(),
        () if of("enas") => space::enas(),
        () => panic!("{file} is of no known space"),
    }
}

/// An architecture, written as text or, in NAS-Bench-101, as an object.
pub fn parse(space: &Arc<SearchSpace>, notation: &Value) -> Architecture {
    let text = notation.as_str().map_or_else(|| notation.to_string(), str::to_owned);
    space.parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The published array of saliencies as rows of written places: `z[node]` in NAS-Bench-101,
/// `z[target][source]` in NAS-Bench-201, `z[cell][target][source]` in DARTS, `z[cell][slot][target][source]` in ENAS.
pub fn saliencies(z: &Value, architecture: &Architecture) -> Saliencies {
    let numbers =
        |row: &Value| -> Vec<f64> { serde_json::from_value(row.clone()).expect("a row of numbers") };
    let mut rows = Vec::new();
    for (index, cell) in architecture.cells().iter().enumerate() {
        match architecture.space().name.as_str() {
            "nasbench101" => {
                // Padding stands before the output.
                rows.extend((0..cell.n_nodes - 1).chain([6]).map(|node| numbers(&z[node])));
            }
            "nasbench201" => rows.extend(cell.edges.iter().map(|edge| numbers(&z[edge.target][edge.source]))),
            "darts" => {
                rows.extend(cell.edges.iter().map(|edge| numbers(&z[index][edge.target][edge.source])));
            }
            "enas" => rows.extend(cell.edges.iter().enumerate().map(|(place, edge)| {
                let slot = if edge.target + 1 == cell.n_nodes { 0 } else { place % 2 };
                numbers(&z[index][slot][edge.target][edge.source])
            })),
            other => panic!("no golden files of {other}"),
        }
    }
    Saliencies::new(rows[0].len(), rows.concat()).expect("golden saliencies are finite")
}

/// A network of golden weights that scores every step. ENAS has a single head, which scores each.
pub fn network(
    cfg: &ModelConfig,
    space: &SearchSpace,
    mut weights: HashMap<String, Tensor>,
    dtype: DType,
) -> Network {
    if space.name == "enas" {
        for step in 0..cfg.n_steps() - 1 {
            let heads: Vec<_> = weights.iter().filter(|(name, _)| name.starts_with("mlp.")).collect();
            let copies: Vec<_> = heads
                .into_iter()
                .map(|(name, head)| (name.replacen("mlp", &format!("pre_mlps.{step}"), 1), head.clone()))
                .collect();
            weights.extend(copies);
        }
    }
    let vb = VarBuilder::from_tensors(weights, dtype, &device());
    let steps: Vec<usize> = (1..=cfg.n_steps()).collect();
    Network::new(cfg, space, &steps, &vb).expect("golden weights fit their configuration")
}

/// What a network says of `inputs`: embeddings `[step][input][..]` and scores `[step][input]`.
pub fn evaluate(network: &Network, inputs: &[Input<'_>]) -> (Vec<Vec<Vec<f64>>>, Vec<Vec<f64>>) {
    let embeddings =
        network.embed(inputs, &mut |_, n| vec![0.0; n], Padding::None).expect("the encoder runs");
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
