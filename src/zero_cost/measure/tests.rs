//! Saliencies of small networks, and second derivatives where they are known.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::loss::cross_entropy;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::curvature::{STEP, along};
use super::slope::Slope;
use super::{Measured, curvature, saliencies_of_weights};
use crate::space::{self, Architecture};
use crate::zero_cost::batch::Batch;
use crate::zero_cost::network::{Network, Parameters};
use crate::zero_cost::{Error, Images, Measurer, Metric, Proxy, Size};

fn tiny() -> Proxy {
    let size = Size { channels: 8, cells_per_stage: 1 };
    Proxy {
        metrics: Metric::ALL.to_vec(),
        images: Images::Noise,
        n_images: 4,
        image_side: 8,
        n_classes: 4,
        nasbench101: size,
        nasbench201: size,
        darts: size,
        enas: size,
    }
}

fn measure(architecture: &Architecture, proxy: &Proxy, seed: u64) -> std::result::Result<Measured, Error> {
    Measurer::new("tiny", proxy.clone(), seed)?.measure(architecture)
}

fn cell(text: &str) -> Architecture {
    space::nasbench201().parse(text).expect("valid")
}

fn rows(measured: &Measured) -> Vec<&[f64]> {
    (0..measured.operations.n_operations()).map(|place| measured.operations.operation(place)).collect()
}

#[test]
fn operations_with_weights_have_saliencies_and_others_have_none() {
    for space in space::builtins() {
        let architecture = &space.sample(1, 3)[0];
        let measured = measure(architecture, &tiny(), 0).expect("a known network");
        assert_eq!(measured.operations.n_operations(), architecture.n_places(), "{architecture:?}");
        assert!(measured.network.iter().all(|sum| sum.is_finite()));
    }
    let measured = measure(
        &cell("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|"),
        &tiny(),
        0,
    )
    .expect("a known network");
    for (place, row) in rows(&measured).into_iter().enumerate() {
        let has_weights = [0, 4].contains(&place);
        for (metric, value) in Metric::ALL.iter().zip(row) {
            // By construction the plain product is zero but for rounding where a normalisation follows.
            let is_expected = *metric == Metric::Plain || (*value > 0.0) == has_weights;
            assert!(is_expected, "{metric} of operation {place} is {value}");
            assert!(has_weights || *value == 0.0, "{metric} of operation {place} is {value}");
        }
    }
}

#[test]
fn an_operation_that_nothing_reads_has_none() {
    let measured =
        measure(&cell("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"), &tiny(), 0);
    assert!(rows(&measured.expect("a known network")).concat().iter().all(|value| *value == 0.0));
}

#[test]
fn the_same_seed_measures_the_same() {
    let module = &space::nasbench101().sample(1, 1)[0];
    let values = |seed| measure(module, &tiny(), seed).expect("a known network");
    assert_eq!(values(5), values(5));
    assert_ne!(values(5), values(6));
}

#[test]
fn metrics_are_those_asked_for_in_their_order() {
    let architecture = cell("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|");
    let all = measure(&architecture, &tiny(), 0).expect("a known network");
    let proxy = Proxy { metrics: vec![Metric::Synflow, Metric::Snip], ..tiny() };
    let some = measure(&architecture, &proxy, 0).expect("a known network");
    assert_eq!(some.network, [all.network[6], all.network[1]]);
    assert_eq!(rows(&some)[4], [rows(&all)[4][6], rows(&all)[4][1]]);
}

/// A weight that a normalisation follows can be scaled without any difference. So its product with its slope is zero,
/// and minus its product with the Hessian's product with all slopes is the square of its slope's norm; but for what
/// normalisation adds to small variances.
#[test]
fn scale_does_not_matter_before_a_normalisation() {
    let cells = [
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_3x3~1|skip_connect~2|",
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    ];
    for architecture in cells.map(cell).into_iter().chain(space::nasbench101().sample(2, 4)) {
        let proxy = Proxy { n_images: 16, ..tiny() };
        let network = Network::of(&architecture, &proxy).expect("a known network");
        let parameters = Parameters::initial(&network, 0, &Device::Cpu).expect("values");
        let batch = Batch::of(&proxy, 0).expect("images");
        let values = saliencies_of_weights(&network, &parameters, &proxy, &batch).expect("finite");
        let [grad_norm, snip, grasp, _, plain, ..] = values.as_slice() else { panic!("every metric") };
        let weights = network.weights().iter().enumerate();
        for (index, weight) in weights.filter(|(_, weight)| weight.place.is_some()) {
            let (expected, grasp) = (grad_norm[index].powi(2), grasp[index]);
            assert!((grasp - expected).abs() <= 0.02 * expected, "{weight:?}: {grasp} is not {expected}");
            let (plain, snip) = (plain[index].abs(), snip[index]);
            assert!(plain <= 1e-3 * snip, "{weight:?}: {plain} is much of {snip}");
        }
    }
}

/// A tenth of the step in double precision is as good as the exact product.
#[test]
fn the_curvature_of_networks_is_the_one_of_smaller_steps() {
    for space in space::builtins() {
        for architecture in space.sample(2, 0) {
            let network = Network::of(&architecture, &tiny()).expect("a known network");
            let parameters = Parameters::initial(&network, 0, &Device::Cpu).expect("values");
            let batch = Batch::of(&tiny(), 0).expect("images");
            let product = |parameters: &Parameters, batch: &Batch, step| {
                let slope = Slope::of_loss(&network, parameters, batch).expect("differentiable");
                curvature::of_loss(&network, parameters, batch, &slope, step).expect("differentiable")
            };
            let found = product(&parameters, &batch, STEP);
            let double = |values: &Tensor| values.to_dtype(DType::F64);
            let images = double(&batch.images).expect("numbers");
            let batch = Batch { images, ..batch };
            let exact = product(&parameters.map(double).expect("numbers"), &batch, STEP / 10.0);
            let error = relative_error(&found, &exact);
            assert!(error < 1e-2, "{architecture:?}: {error}");
        }
    }
}

fn random(dims: &[usize], seed: u64, dtype: DType) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..dims.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    Tensor::from_vec(values, dims, &Device::Cpu).and_then(|values| values.to_dtype(dtype)).expect("fits")
}

/// The slope of the cross-entropy of a network of tanh layers.
fn slope_of_mlp(weights: &[Tensor], xs: &Tensor, classes: &Tensor) -> Result<Vec<Tensor>> {
    let variables = weights.iter().map(Var::from_tensor).collect::<Result<Vec<_>>>()?;
    let (last, hidden) = variables.split_last().expect("a network has layers");
    let hidden = hidden.iter().try_fold(xs.clone(), |xs, weight| xs.matmul(&weight.t()?)?.tanh())?;
    let gradients = cross_entropy(&hidden.matmul(&last.t()?)?, classes)?.backward()?;
    Ok(variables.iter().map(|variable| gradients.get(variable).expect("of the loss").clone()).collect())
}

fn relative_error(found: &[Tensor], expected: &[Tensor]) -> f64 {
    let flat = |tensors: &[Tensor]| -> Vec<f64> {
        let rows = tensors.iter().map(|tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>());
        rows.collect::<Result<Vec<_>>>().expect("numbers").concat()
    };
    let (found, expected) = (flat(found), flat(expected));
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    norm(&mut found.iter().zip(&expected).map(|(x, y)| x - y)) / norm(&mut expected.iter().copied())
}

/// The Hessian of a linear classifier is known: (diag(p) - p p^T) x x^T for each example.
#[test]
fn the_curvature_of_a_linear_classifier_is_the_one_of_the_formula() {
    let (n, n_features, n_classes) = (20, 6, 4);
    for (dtype, tolerance) in [(DType::F64, 1e-6), (DType::F32, 2e-3)] {
        let (weight, xs) = (random(&[n_classes, n_features], 1, dtype), random(&[n, n_features], 2, dtype));
        let classes: Vec<u32> = (0..n).map(|index| (index % n_classes) as u32).collect();
        let classes = Tensor::from_vec(classes, n, &Device::Cpu).expect("fits");
        let slope_at = |weights: &[Tensor]| slope_of_mlp(weights, &xs, &classes);
        let slope = slope_at(std::slice::from_ref(&weight)).expect("differentiable");
        let expected = || {
            let shares = candle_nn::ops::softmax(&xs.matmul(&weight.t()?)?, 1)?; // [n, classes]
            let change = xs.matmul(&slope[0].t()?)?;
            let weighted = (&shares * &change)?;
            let change = (&weighted - shares.broadcast_mul(&weighted.sum_keepdim(1)?)?)?;
            change.t()?.matmul(&xs)? / n as f64
        };
        let found = along(slope_at, std::slice::from_ref(&weight), &slope, STEP).expect("differentiable");
        let error = relative_error(&found, &[expected().expect("shapes fit")]);
        assert!(error < tolerance, "{dtype:?}: {error}");
    }
}

/// Two tiny steps in double precision, extrapolated to none at all, are as good as the exact product.
#[test]
fn the_curvature_of_a_smooth_network_is_the_one_of_smaller_steps() {
    let classes = Tensor::from_vec((0..32).map(|index| index % 5).collect::<Vec<u32>>(), 32, &Device::Cpu);
    let classes = classes.expect("fits");
    let dims = [[16, 8], [16, 16], [5, 16]];
    let network = |dtype| {
        let weights: Vec<Tensor> =
            dims.iter().zip(10..).map(|(dims, seed)| random(dims, seed, dtype)).collect();
        (weights, random(&[32, 8], 20, dtype))
    };
    let product = |dtype, step| {
        let (weights, xs) = network(dtype);
        let slope_at = |weights: &[Tensor]| slope_of_mlp(weights, &xs, &classes);
        along(slope_at, &weights, &slope_at(&weights).expect("smooth"), step).expect("smooth")
    };
    let (near, nearer) = (product(DType::F64, 2e-4), product(DType::F64, 1e-4));
    let extrapolated = near.iter().zip(&nearer).map(|(near, nearer)| ((nearer * 4.0)? - near)? / 3.0);
    let exact = extrapolated.collect::<Result<Vec<_>>>().expect("shapes fit");
    let error = relative_error(&product(DType::F32, STEP), &exact);
    assert!(error < 2e-3, "{error}");
}
