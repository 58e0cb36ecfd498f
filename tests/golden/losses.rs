//! Losses, gradients and ten steps of Adam on one fixed batch.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use serde::Deserialize;
use serde_json::Value;
use tagates::fit::{
    Adam, Optimizer, Pair, Pairs, Schedule, mean_squared_error, pair_indices, pairs, pairwise_hinge,
};
use tagates::model::{Encoder, Input, Network, NoDropout, Padding, constants};
use tagates::space::{Architecture, Saliencies};

use crate::vectors::{self, NetworkConfig, assert_close, parse, read, space_of};

/// Losses and optimiser steps are compared in f64: a bias whose true gradient is zero makes Adam amplify
/// rounding.
const DTYPE: DType = DType::F64;

#[derive(Deserialize)]
struct Golden {
    weights: String,
    arch_network_cfg: NetworkConfig,
    #[serde(rename = "T")]
    n_steps: usize,
    accs: Vec<f64>,
    margin: f64,
    pairs_arch2_i: Vec<u32>,
    pairs_arch1_j: Vec<u32>,
    better_i_over_j: Vec<bool>,
    texts: Vec<Value>,
    z: Option<Vec<Value>>,
    history: Vec<HingeStep>,
    param_grad_norms_step0: BTreeMap<String, Option<f64>>,
    param_norms_after_step1: BTreeMap<String, f64>,
    mse_anytime: Option<Anytime>,
}

#[derive(Deserialize)]
struct HingeStep {
    loss: f64,
    grad_norm: f64,
    scores: Vec<f64>,
}

#[derive(Deserialize)]
struct Anytime {
    #[serde(rename = "T")]
    n_steps: usize,
    half_accs: Vec<f64>,
    final_accs: Vec<f64>,
    history: Vec<AnytimeStep>,
}

#[derive(Deserialize)]
struct AnytimeStep {
    loss: f64,
    grad_norm: f64,
    scores_sigmoid_half: Vec<f64>,
    scores_sigmoid_final: Vec<f64>,
}

/// A network in training, from golden weights.
struct Training {
    variables: BTreeMap<String, Var>,
    network: Network,
    adam: Adam,
    architectures: Vec<(Architecture, Option<Saliencies>)>,
}

impl Training {
    fn new(file: &str, golden: &Golden, n_steps: usize, scored: &[usize]) -> Self {
        let (space, encoder) = (space_of(file), &golden.arch_network_cfg);
        let mut cfg = encoder.arch_embedder_cfg.model(&space, &encoder.mlp_hiddens);
        let Encoder::TaGates(ta_gates) = &mut cfg.encoder else { panic!("losses of TA-GATES") };
        ta_gates.n_steps = n_steps;
        let device = vectors::device();
        let variables: BTreeMap<String, Var> = vectors::weights(&golden.weights)
            .into_iter()
            .map(|(name, value)| {
                let value = value.to_dtype(DTYPE).and_then(|value| value.to_device(&device)).expect("f64");
                (name, Var::from_tensor(&value).expect("a variable"))
            })
            .collect();
        let tensors = variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let vb = VarBuilder::from_tensors(tensors, DTYPE, &device);
        let network = Network::new(&cfg, &space, scored, &vb).expect("golden weights fit");
        let optimizer = Optimizer {
            learning_rate: 1e-3,
            weight_decay: 0.0,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            schedule: Schedule::Constant,
        };
        let architectures = (0..golden.texts.len()).map(|i| {
            let architecture = parse(&space, &golden.texts[i]);
            let saliencies = golden.z.as_ref().map(|z| vectors::saliencies(&z[i], &architecture));
            (architecture, saliencies)
        });
        let architectures = architectures.collect();
        let is_variable = |name: &str| !constants::is_constant(name, &cfg, &space);
        let variables = variables.into_iter().filter(|(name, _)| is_variable(name)).collect();
        Self { variables, network, adam: Adam::new(optimizer), architectures }
    }

    /// The raw scores `[n]` of each scored step.
    fn scores(&self) -> Vec<Tensor> {
        let inputs: Vec<Input<'_>> = self
            .architectures
            .iter()
            .map(|(architecture, saliencies)| Input { architecture, saliencies: saliencies.as_ref() })
            .collect();
        let embeddings = self.network.embed(&inputs, &mut |_, n| vec![0.0; n], Padding::None);
        let embeddings = embeddings.expect("the encoder runs");
        let score =
            |(i, embeddings)| self.network.score(i, embeddings, &mut NoDropout).expect("the head runs");
        embeddings.iter().enumerate().map(score).collect()
    }

    fn gradient_norms(&self, gradients: &GradStore) -> BTreeMap<String, Option<f64>> {
        let norm = |var: &Var| gradients.get(var).map(norm);
        self.variables.iter().map(|(name, var)| (name.clone(), norm(var))).collect()
    }

    /// The norm over all parameters.
    fn total_norm(&self, gradients: &GradStore) -> f64 {
        self.gradient_norms(gradients).values().flatten().map(|norm| norm * norm).sum::<f64>().sqrt()
    }

    fn step(&mut self, gradients: &GradStore) {
        self.adam.step(&self.variables, gradients, 1e-3).expect("the optimiser runs");
    }
}

fn norm(tensor: &Tensor) -> f64 {
    tensor.sqr().and_then(|squares| squares.sum_all()?.sqrt()?.to_scalar()).expect("a norm")
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.to_vec1().expect("a vector")
}

fn scalar(tensor: &Tensor) -> f64 {
    tensor.to_scalar().expect("a scalar")
}

fn check_hinge(file: &str) {
    let golden: Golden = read(&format!("{file}.json"));
    let mut training = Training::new(file, &golden, golden.n_steps, &[golden.n_steps]);
    let labels: Vec<Option<f64>> = golden.accs.iter().copied().map(Some).collect();
    let ours = pairs(&labels, Pairs::All, &mut rng());
    let mut expected: Vec<Pair> = golden
        .pairs_arch2_i
        .iter()
        .zip(&golden.pairs_arch1_j)
        .zip(&golden.better_i_over_j)
        .map(|((&i, &j), &i_is_better)| if i_is_better { (i, j) } else { (j, i) })
        .map(|(better, worse)| Pair { better, worse })
        .collect();
    expected.sort_unstable();
    let mut sorted = ours.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected, "{file}: pairs");

    let (better, worse) = pair_indices(&ours, &vectors::device()).expect("indices");
    for (step, expected) in golden.history.iter().enumerate() {
        let what = format!("{file} step {step}");
        let scores = training.scores().pop().expect("one step is scored");
        let of = |positions: &Tensor| scores.index_select(positions, 0).expect("positions of the batch");
        let loss = pairwise_hinge(&of(&better), &of(&worse), golden.margin).expect("a loss");
        assert_close(&format!("{what} loss"), &[scalar(&loss)], &[expected.loss], DTYPE);
        assert_close(&format!("{what} scores"), &values(&scores), &expected.scores, DTYPE);
        let gradients = loss.backward().expect("gradients");
        assert_close(
            &format!("{what} gradient"),
            &[training.total_norm(&gradients)],
            &[expected.grad_norm],
            DTYPE,
        );
        if step == 0 {
            check_gradients(&what, &training.gradient_norms(&gradients), &golden.param_grad_norms_step0);
        }
        training.step(&gradients);
        if step == 0 {
            check_parameters(&what, &training.variables, &golden.param_norms_after_step1);
        }
    }
}

/// A parameter without a gradient may have one that is zero.
fn check_gradients(
    what: &str,
    found: &BTreeMap<String, Option<f64>>,
    expected: &BTreeMap<String, Option<f64>>,
) {
    for (name, found) in found {
        let (found, expected) = (found.unwrap_or(0.0), expected[name].unwrap_or(0.0));
        assert_close(&format!("{what} gradient of {name}"), &[found], &[expected], DTYPE);
    }
}

fn check_parameters(what: &str, variables: &BTreeMap<String, Var>, expected: &BTreeMap<String, f64>) {
    for (name, variable) in variables {
        let found = norm(variable.as_tensor());
        assert_close(&format!("{what} {name} after it"), &[found], &[expected[name]], DTYPE);
    }
}

fn check_anytime(file: &str) {
    let golden: Golden = read(&format!("{file}.json"));
    let anytime = golden.mse_anytime.as_ref().expect("the file has an anytime loss");
    let mut training = Training::new(file, &golden, anytime.n_steps, &[1, 2]);
    let labels = |accuracies: &[f64]| accuracies.iter().copied().map(Some).collect::<Vec<_>>();
    let (half, full) = (labels(&anytime.half_accs), labels(&anytime.final_accs));
    for (step, expected) in anytime.history.iter().enumerate() {
        let what = format!("{file} anytime step {step}");
        let scores = training.scores();
        let sigmoid = |scores: &Tensor| values(&candle_nn::ops::sigmoid(scores).expect("a sigmoid"));
        assert_close(&format!("{what} half"), &sigmoid(&scores[0]), &expected.scores_sigmoid_half, DTYPE);
        assert_close(&format!("{what} final"), &sigmoid(&scores[1]), &expected.scores_sigmoid_final, DTYPE);
        let losses = [mean_squared_error(&scores[0], &half), mean_squared_error(&scores[1], &full)];
        let [half_loss, final_loss] = losses.map(|loss| loss.expect("a loss"));
        let loss = (half_loss + final_loss).expect("a sum");
        assert_close(&format!("{what} loss"), &[scalar(&loss)], &[expected.loss], DTYPE);
        let gradients = loss.backward().expect("gradients");
        assert_close(
            &format!("{what} gradient"),
            &[training.total_norm(&gradients)],
            &[expected.grad_norm],
            DTYPE,
        );
        training.step(&gradients);
    }
}

fn rng() -> rand_chacha::ChaCha8Rng {
    rand::SeedableRng::seed_from_u64(0)
}

macro_rules! golden {
    ($($check:ident: $($name:ident = $file:literal),* ;)*) => {
        $($(
            #[test]
            fn $name() {
                $check($file);
            }
        )*)*
    };
}

golden! {
    check_hinge:
        hinge_nasbench101 = "loss_nb101_none",
        hinge_nasbench101_with_added_saliencies = "loss_nb101_add",
        hinge_nasbench201 = "loss_nb201_l5_none",
        hinge_nasbench201_with_added_saliencies = "loss_nb201_l5_add",
        hinge_nasbench201_with_appended_saliencies = "loss_nb201_l3_concat",
        hinge_darts = "loss_nb301_none",
        hinge_darts_with_added_saliencies = "loss_nb301_add",
        hinge_enas = "loss_enas_none";
    check_anytime:
        anytime_nasbench101 = "loss_nb101_none",
        anytime_nasbench101_with_added_saliencies = "loss_nb101_add",
        anytime_nasbench201 = "loss_nb201_l5_none",
        anytime_nasbench201_with_appended_saliencies = "loss_nb201_l3_concat",
        anytime_darts = "loss_nb301_none",
        anytime_darts_with_added_saliencies = "loss_nb301_add";
}
