//! How fast the shipped predictor scores, as throughput in architectures a second: by batch size on
//! one thread, and over the whole space on more. Compare lines of one run: the machine is noisy.

use std::hint::black_box;
use std::num::NonZero;

use candle_core::Device;
use divan::counter::ItemsCount;
use divan::{Bencher, Divan};
use mimalloc::MiMalloc;
use tagates::app::shipped;
use tagates::model::{Input, Model, scores_in_parallel};
use tagates::space::{Architecture, nasbench201};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    Divan::from_args().main();
}

fn model() -> Model {
    Model::load(&shipped::checkpoint().expect("a checkpoint"), &Device::Cpu).expect("a model")
}

/// One thread, one call.
#[divan::bench(args = [1, 8, 32, 128, 512])]
fn batch(bencher: Bencher<'_, '_>, n_architectures: usize) {
    let (model, architectures) = (model(), nasbench201().sample(n_architectures, 0));
    let inputs: Vec<Input<'_>> = architectures.iter().map(Input::from).collect();
    bencher.counter(ItemsCount::new(n_architectures)).bench_local(|| model.scores(black_box(&inputs)));
}

/// All 15,625 cells, as `tagates predict --input FILE` scores them once they are read.
#[divan::bench(args = [1, 2, 4], sample_count = 5, sample_size = 1)]
fn whole_space(bencher: Bencher<'_, '_>, n_threads: usize) {
    let (model, space) = (model(), nasbench201());
    let architectures: Vec<Architecture> = space.enumerate().expect("a space that can be listed").collect();
    let inputs: Vec<Input<'_>> = architectures.iter().map(Input::from).collect();
    let n_threads = NonZero::new(n_threads).expect("a thread or more");
    bencher
        .counter(ItemsCount::new(inputs.len()))
        .bench_local(|| scores_in_parallel(&model, black_box(&inputs), n_threads));
}
