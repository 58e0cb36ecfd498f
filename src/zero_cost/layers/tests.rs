//! Layers against loops over every pixel, and their gradients against differences.

use std::slice;

use candle_core::{DType, Device, Result, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::pooling::largest_pixels;
use super::*;

/// A layer with a weight and gates.
type Weighted = fn(&Tensor, &Tensor, &Tensor, Window) -> Result<Tensor>;
type Pooling = fn(&Tensor, Window) -> Result<Tensor>;

const N_IMAGES: usize = 2;
const SIDE: usize = 6;

/// Kernel, stride, dilation, padding and the window that they make.
fn windows() -> [((usize, usize, usize, isize), Window); 9] {
    [
        ((1, 1, 1, 0), Window::centred(1)),
        ((3, 1, 1, 1), Window::centred(3)),
        ((5, 1, 1, 2), Window::centred(5)),
        ((3, 2, 1, 1), Window::centred(3).strided()),
        ((5, 2, 2, 4), Window::dilated(5, 2).strided()),
        ((3, 1, 2, 2), Window::dilated(3, 2)),
        // Wider than the map.
        ((5, 1, 4, 8), Window::dilated(5, 4)),
        ((2, 2, 1, 0), Window::halving()),
        ((1, 2, 1, -1), Window::centred(1).strided().shifted()),
    ]
}

fn random(dims: &[usize], seed: u64) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..dims.iter().product()).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f64>>();
    Tensor::from_vec(values, dims, &Device::Cpu).expect("as many values as the shape has")
}

/// What a window reads for the pixel made at (`row`, `column`): tap, and pixel where it is inside the map.
fn reads(
    (kernel, stride, dilation, padding): (usize, usize, usize, isize),
    side: usize,
    (row, column): (usize, usize),
) -> Vec<(usize, Option<usize>)> {
    let at = |made: usize, offset: usize| {
        let read = (made * stride + offset * dilation).cast_signed() - padding;
        usize::try_from(read).ok().filter(|read| *read < side)
    };
    let taps = (0..kernel).flat_map(|y| (0..kernel).map(move |x| (y, x)));
    taps.map(|(y, x)| {
        let pixel = at(row, y).zip(at(column, x)).map(|(row, column)| row * side + column);
        (y * kernel + x, pixel)
    })
    .collect()
}

/// Applies `layer` to all that each pixel reads of each channel of an image.
fn naive(
    maps: &Tensor,
    geometry: (usize, usize, usize, isize),
    side_out: usize,
    channels_out: usize,
    layer: impl Fn(usize, &[Vec<(usize, Option<f64>)>]) -> f64,
) -> Vec<f64> {
    let (channels, n_images, side, _) = maps.dims4().expect("feature maps");
    let values = maps.flatten_all().and_then(|maps| maps.to_vec1::<f64>()).expect("numbers");
    let mut result = Vec::new();
    for channel_out in 0..channels_out {
        for image in 0..n_images {
            for pixel in 0..side_out * side_out {
                let read = reads(geometry, side, (pixel / side_out, pixel % side_out));
                let of_channel = |channel: usize| {
                    let map = &values[(channel * n_images + image) * side * side..][..side * side];
                    read.iter().map(|(tap, pixel)| (*tap, pixel.map(|pixel| map[pixel]))).collect()
                };
                result.push(layer(channel_out, &(0..channels).map(of_channel).collect::<Vec<_>>()));
            }
        }
    }
    result
}

fn assert_close(found: &Tensor, expected: &[f64], what: &str) {
    let found = found.flatten_all().and_then(|found| found.to_vec1::<f64>()).expect("numbers");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let close = (found - expected).abs() < 1e-6 * (1.0 + expected.abs());
        assert!(close, "{what}, value {index}: {found} is not {expected}");
    }
}

/// Compares what a layer makes, and its gradients.
fn assert_layer(
    layer: impl Fn(&[Tensor]) -> Result<Tensor>,
    inputs: &[Tensor],
    expected: &[f64],
    what: &str,
) {
    assert_close(&layer(inputs).expect("a layer"), expected, what);
    assert_gradients(layer, inputs, what);
}

/// Compares the gradients of a weighted sum of a layer's result with central differences.
fn assert_gradients(layer: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], what: &str) {
    const STEP: f64 = 1e-5;
    let factors = random(layer(inputs).expect("a layer").dims(), 99);
    let sum = |inputs: &[Tensor]| layer(inputs).and_then(|made| (made * &factors)?.sum_all());
    let variables: Vec<Var> =
        inputs.iter().map(|input| Var::from_tensor(input).expect("a variable")).collect();
    let as_tensors: Vec<Tensor> = variables.iter().map(|variable| variable.as_tensor().clone()).collect();
    let gradients = sum(&as_tensors).and_then(|sum| sum.backward()).expect("differentiable");
    for (index, input) in inputs.iter().enumerate() {
        let values = input.flatten_all().and_then(|input| input.to_vec1::<f64>()).expect("numbers");
        let differences: Vec<f64> = (0..values.len())
            .map(|place| {
                let at = |step: f64| {
                    let mut values = values.clone();
                    values[place] += step;
                    let mut inputs = inputs.to_vec();
                    inputs[index] = Tensor::from_vec(values, input.dims(), &Device::Cpu)?;
                    sum(&inputs)?.to_scalar::<f64>()
                };
                (at(STEP).expect("a sum") - at(-STEP).expect("a sum")) / (2.0 * STEP)
            })
            .collect();
        let gradient = gradients.get(&variables[index]).expect("every input has a gradient");
        assert_close(gradient, &differences, &format!("gradient {index} of {what}"));
    }
}

#[test]
fn convolutions_are_those_of_loops() {
    for (geometry, window) in windows() {
        let maps = random(&[3, N_IMAGES, SIDE, SIDE], 1);
        let (weight, gates) = (random(&[4, 3 * window.n_taps()], 2), random(&[4, N_IMAGES], 3));
        let weights = weight.to_vec2::<f64>().expect("numbers");
        let expected = naive(&maps, geometry, window.side_out(SIDE), 4, |channel_out, read| {
            let terms = read.iter().flatten().zip(&weights[channel_out]);
            terms.map(|((_, value), weight)| value.unwrap_or(0.0) * weight).sum()
        });
        for (convolution, what) in [(convolution as Weighted, "ours"), (composed::convolution, "composed")] {
            let layer = |inputs: &[Tensor]| convolution(&inputs[0], &inputs[1], &gates, window);
            assert_layer(layer, &[maps.clone(), weight.clone()], &expected, &format!("{what}, {window:?}"));
        }
    }
}

#[test]
fn depthwise_convolutions_are_those_of_loops() {
    for (geometry, window) in windows() {
        let maps = random(&[3, N_IMAGES, SIDE, SIDE], 4);
        let (weight, gates) = (random(&[3, window.n_taps()], 5), random(&[3, N_IMAGES], 6));
        let weights = weight.to_vec2::<f64>().expect("numbers");
        let expected = naive(&maps, geometry, window.side_out(SIDE), 3, |channel, read| {
            let terms = read[channel].iter().zip(&weights[channel]);
            terms.map(|((_, value), weight)| value.unwrap_or(0.0) * weight).sum()
        });
        let ours = (depthwise_convolution as Weighted, "ours");
        for (convolution, what) in [ours, (composed::depthwise_convolution, "composed")] {
            let layer = |inputs: &[Tensor]| convolution(&inputs[0], &inputs[1], &gates, window);
            assert_layer(layer, &[maps.clone(), weight.clone()], &expected, &format!("{what}, {window:?}"));
        }
    }
}

#[test]
fn poolings_are_those_of_loops() {
    let inside =
        |read: &[(usize, Option<f64>)]| read.iter().filter_map(|(_, value)| *value).collect::<Vec<_>>();
    for (geometry, window) in windows() {
        let maps = random(&[3, N_IMAGES, SIDE, SIDE], 7);
        let side_out = window.side_out(SIDE);
        let expected = naive(&maps, geometry, side_out, 3, |channel, read| {
            let inside = inside(&read[channel]);
            inside.iter().sum::<f64>() / inside.len() as f64
        });
        let maps = [maps];
        for (pool, what) in [(average_pool as Pooling, "ours"), (composed::average_pool, "composed")] {
            let what = format!("average, {what}, {window:?}");
            assert_layer(|inputs| pool(&inputs[0], window), &maps, &expected, &what);
        }
        let expected = naive(&maps[0], geometry, side_out, 3, |channel, read| {
            inside(&read[channel]).into_iter().fold(f64::NEG_INFINITY, f64::max)
        });
        let ours = |maps: &Tensor, window| Kinks::unknown().max_pool(maps, window);
        let composed = |maps: &Tensor, window: Window| {
            composed::selected(maps, &largest_pixels(maps, window)?, window.side_out(SIDE))
        };
        for (pool, what) in [(ours as Pooling, "ours"), (composed, "composed")] {
            let what = format!("largest, {what}, {window:?}");
            assert_layer(|inputs| pool(&inputs[0], window), &maps, &expected, &what);
        }
    }
}

#[test]
fn normalised_channels_have_mean_zero_and_variance_one() {
    let maps = (random(&[3, N_IMAGES, 4, 4], 8) * 5.0).and_then(|maps| maps + 2.0).expect("numbers");
    for (normalise, what) in
        [(normalise as fn(&Tensor) -> Result<Tensor>, "ours"), (composed::normalise, "composed")]
    {
        let rows = normalise(&maps).and_then(|made| made.flatten_from(1)?.to_vec2::<f64>()).expect("numbers");
        for row in rows {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / row.len() as f64;
            assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-5, "{mean}, {variance}, {what}");
        }
        assert_gradients(|inputs| normalise(&inputs[0]), slice::from_ref(&maps), what);
    }
}

#[test]
fn a_relu_that_is_held_stays_on_its_side() {
    let maps = random(&[2, N_IMAGES, 3, 3], 9);
    let mut kinks = Kinks::unknown();
    let positive = kinks.relu(&maps).expect("a ReLU");
    let expected = positive.neg().and_then(|made| made.flatten_all()?.to_vec1()).expect("numbers");
    let held = maps.neg().and_then(|maps| kinks.fixed().relu(&maps)).expect("a ReLU");
    assert_close(&held, &expected, "a ReLU of the negated maps");
    let maps = [maps];
    assert_gradients(|inputs| Kinks::unknown().relu(&inputs[0]), &maps, "ReLU");
    let expected = positive.flatten_all().and_then(|made| made.to_vec1::<f64>()).expect("numbers");
    let open: Vec<u8> = expected.iter().map(|value| u8::from(*value > 0.0)).collect();
    assert_layer(|inputs| composed::opened(&inputs[0], &open), &maps, &expected, "ReLU, composed");
}

#[test]
fn the_slope_of_gates_is_the_sum_of_what_they_would_scale() {
    let (maps, weight) = (random(&[2, N_IMAGES, 3, 3], 10), random(&[2, 18], 11));
    let gates =
        Tensor::ones((2, N_IMAGES), DType::F64, &Device::Cpu).and_then(|ones| Var::from_tensor(&ones));
    let gates = gates.expect("a variable");
    let made = convolution(&maps, &weight, &gates, Window::centred(3)).expect("a convolution");
    let expected = made.sqr().and_then(|squares| (squares * 2.0)?.flatten_from(2)?.sum(2)).expect("numbers");
    let expected = expected.flatten_all().and_then(|sums| sums.to_vec1::<f64>()).expect("numbers");
    let of_gates = |made: &Tensor| {
        let gradients = made.sqr().and_then(|squares| squares.sum_all()?.backward()).expect("differentiable");
        gradients.get(&gates).expect("a variable of the sum").clone()
    };
    assert_close(&of_gates(&made), &expected, "gates");
    let made = composed::convolution(&maps, &weight, &gates, Window::centred(3)).expect("a convolution");
    assert_close(&of_gates(&made), &expected, "gates, composed");
}
