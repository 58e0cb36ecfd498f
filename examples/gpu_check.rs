//! What a GPU computes beside what the CPU does, as Markdown: see `scripts/gpu-check`.

use std::hint::black_box;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, ensure};
use candle_core::Device;
use mimalloc::MiMalloc;
use tagates::app::shipped;
use tagates::domain::{Goal, Unit};
use tagates::fit::{Dataset, Example, FitConfig, Target, Trainer};
use tagates::metrics::kendall_tau;
use tagates::model::{Checkpoint, DeviceChoice, Input, Model, scores_in_parallel};
use tagates::space::{Architecture, Saliencies, SearchSpace, builtin, nasbench201};
use tagates::zero_cost::{Measurer, Proxy, side_by_side};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What scores of the two may differ by, as a part of the largest.
const TOLERANCE: f64 = 1e-4;
/// Architectures on which they are compared.
const N_COMPARED: usize = 256;
/// What logarithms of saliencies may differ by: they are sums of slopes over thousands of numbers in single precision, and
/// those of curvature differences of such.
const SALIENCY_TOLERANCE: f64 = 0.02;
/// Architectures of each space whose saliencies are measured.
const N_MEASURED: usize = 8;
/// Architectures scored at once.
const BATCH_SIZES: [usize; 8] = [1, 8, 32, 128, 512, 2_048, 8_192, 16_384];
/// Times each batch is scored.
const N_REPEATS: usize = 15;
/// Architectures trained on, and epochs.
const N_TRAINED: usize = 781;
const N_EPOCHS: usize = 20;

fn main() -> anyhow::Result<ExitCode> {
    let choice: DeviceChoice = std::env::args().nth(1).as_deref().unwrap_or("cuda:0").parse()?;
    let device = choice.open()?.device;
    let scores_agree = parity(&device)?;
    let saliencies_agree = saliencies(&device)?;
    training(&device)?;
    throughput(&device)?;
    Ok(if scores_agree && saliencies_agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Scores by the shipped predictor and by an untrained one of each configuration.
fn parity(device: &Device) -> anyhow::Result<bool> {
    println!("| predictor | architectures | largest difference, of the largest score |\n|---|---|---|");
    let space = nasbench201();
    let all: Vec<Architecture> = space.enumerate().context("a space that can be listed")?.collect();
    let mut agree = compare("the shipped one", &shipped::checkpoint()?, &all, device)?;
    for name in FitConfig::names() {
        let Some(space) =
            ["nasbench101", "nasbench201", "darts", "enas"].into_iter().find(|it| name.contains(it))
        else {
            continue;
        };
        let space = builtin(space).context("a built-in space")?;
        let config = FitConfig::read(name)?;
        let dataset = labelled(&space, &config, N_COMPARED);
        let checkpoint = Trainer::new(&config, &dataset, 0, &Device::Cpu)?.checkpoint()?;
        let architectures: Vec<Architecture> =
            dataset.examples.into_iter().map(|it| it.architecture).collect();
        agree &= compare(name, &checkpoint, &architectures, device)?;
    }
    println!();
    Ok(agree)
}

/// Whether both devices score alike.
fn compare(
    name: &str,
    checkpoint: &Checkpoint,
    architectures: &[Architecture],
    device: &Device,
) -> anyhow::Result<bool> {
    let n_metrics = checkpoint.header().model.n_metrics();
    let saliencies: Vec<Option<Saliencies>> =
        architectures.iter().map(|it| n_metrics.map(|n_metrics| ones(it, n_metrics))).collect();
    let inputs: Vec<Input<'_>> = (architectures.iter().zip(&saliencies))
        .map(|(architecture, saliencies)| Input { architecture, saliencies: saliencies.as_ref() })
        .collect();
    let raw = |device: &Device| {
        Ok::<_, anyhow::Error>(Model::load(checkpoint, device)?.raw_scores(&inputs)?.concat())
    };
    let (expected, found) = (raw(&Device::Cpu)?, raw(device)?);
    let largest = expected.iter().fold(0.0_f64, |largest, score| largest.max(score.abs()));
    let differences = expected.iter().zip(&found).map(|(expected, found)| (expected - found).abs() / largest);
    // Not a number is no agreement.
    let agree = differences.clone().all(|difference| difference <= TOLERANCE);
    let difference = differences.fold(0.0, f64::max);
    println!("| {name} | {} | {difference:.1e}{} |", inputs.len(), if agree { "" } else { ", **too much**" });
    Ok(agree)
}

/// Whether both devices measure zero-cost saliencies alike.
fn saliencies(device: &Device) -> anyhow::Result<bool> {
    println!(
        "| saliencies | largest difference | seconds on the GPU | on one CPU thread |\n|---|---|---|---|"
    );
    let small =
        || Measurer::new("small", Proxy::named("small").context("a built-in proxy")?, 0).context("noise");
    let (cpu, gpu) = (small()?, small()?.on(device)?);
    let mut agree = true;
    for name in ["nasbench101", "nasbench201", "darts", "enas"] {
        let architectures = builtin(name).context("a built-in space")?.sample(N_MEASURED, 2);
        let (mut differences, mut gpu_s, mut cpu_s) = (Vec::new(), 0.0, 0.0);
        let measure = |architecture: &Architecture| (timed(&gpu, architecture), timed(&cpu, architecture));
        side_by_side(&architectures, NonZero::<usize>::MIN, measure, |_, (found, expected)| {
            let ((found, found_s), (expected, expected_s)) = (found?, expected?);
            (gpu_s, cpu_s) = (gpu_s + found_s, cpu_s + expected_s);
            differences.extend(found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs()));
            anyhow::Ok(())
        })?;
        // Not a number is no agreement.
        let is_alike = differences.iter().all(|difference| *difference <= SALIENCY_TOLERANCE);
        let (largest, mark) =
            (differences.into_iter().fold(0.0, f64::max), if is_alike { "" } else { ", **too much**" });
        println!("| {N_MEASURED} networks of {name} | {largest:.1e}{mark} | {gpu_s:.2} | {cpu_s:.2} |");
        agree &= is_alike;
    }
    println!();
    Ok(agree)
}

/// What is measured of operations and the whole network, and the seconds it took.
fn timed(measurer: &Measurer, architecture: &Architecture) -> anyhow::Result<(Vec<f64>, f64)> {
    let started = Instant::now();
    let found = measurer.measure(architecture)?;
    let numbers = found.operations.rows().flatten().chain(&found.network).copied().collect();
    Ok((numbers, started.elapsed().as_secs_f64()))
}

fn ones(architecture: &Architecture, n_metrics: usize) -> Saliencies {
    Saliencies::new(n_metrics, vec![1.0; n_metrics * architecture.n_places()]).expect("whole rows of numbers")
}

/// Architectures of a space, labelled by how many of their operations have weights.
fn labelled(space: &std::sync::Arc<SearchSpace>, config: &FitConfig, n: usize) -> Dataset {
    let example = |(index, architecture): (usize, Architecture)| Example {
        class: architecture.canonical().id,
        saliencies: config.model.n_metrics().map(|n_metrics| ones(&architecture, n_metrics)),
        architecture,
        labels: vec![Some(50.0 + (index % 37) as f64)],
        infeasible: Vec::new(),
    };
    let examples = space.sample(n, 1).into_iter().enumerate().map(example).collect();
    let targets = [Target::of_column("label")];
    Dataset { examples, ..Dataset::empty(space, &targets, (Goal::Maximize, Unit::Percent)) }
}

/// The paper's predictor on cells labelled by the shipped one, with the same seed on both devices.
fn training(device: &Device) -> anyhow::Result<()> {
    let mut config = FitConfig::read("paper/nasbench201")?;
    config.n_epochs = N_EPOCHS;
    let teacher = Model::load(&shipped::checkpoint()?, &Device::Cpu)?;
    let mut dataset = labelled(&nasbench201(), &config, 2 * N_TRAINED);
    let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
    let labels: Vec<f64> = teacher.scores(&inputs)?.iter().map(|row| row[row.len() - 1]).collect();
    for (example, label) in dataset.examples.iter_mut().zip(&labels) {
        example.labels = vec![Some(*label)];
    }
    let test = dataset.examples.split_off(N_TRAINED);
    println!(
        "| training of {N_EPOCHS} epochs on {N_TRAINED} cells | seconds | loss of the first epoch | of the last | tau on {} others |\n|---|---|---|---|---|",
        test.len()
    );
    for (name, device) in [("CPU, one thread", &Device::Cpu), ("GPU", device)] {
        let mut trainer = Trainer::new(&config, &dataset, 0, device)?;
        let started = Instant::now();
        let first = trainer.run_epoch()?.loss;
        let mut last = first;
        while !trainer.is_done() {
            last = trainer.run_epoch()?.loss;
        }
        let seconds = started.elapsed().as_secs_f64();
        let model = Model::load(&trainer.checkpoint()?, device)?;
        let scores = model.raw_scores(&test.iter().map(Example::input).collect::<Vec<_>>())?.concat();
        let tau = kendall_tau(&scores, &labels[N_TRAINED..]).context("a tau")?;
        println!("| {name} | {seconds:.1} | {first:.5} | {last:.5} | {tau:.3} |");
    }
    println!();
    Ok(())
}

/// The shipped predictor by batch size: the median of several calls.
fn throughput(device: &Device) -> anyhow::Result<()> {
    let checkpoint = shipped::checkpoint()?;
    let (cpu, gpu) = (Model::load(&checkpoint, &Device::Cpu)?, Model::load(&checkpoint, device)?);
    let space = nasbench201();
    let architectures: Vec<Architecture> = space.enumerate().context("a space that can be listed")?.collect();
    println!(
        "| batch | GPU, architectures/s | ms a call | CPU, one thread, architectures/s |\n|---|---|---|---|"
    );
    for batch_size in BATCH_SIZES {
        let inputs: Vec<Input<'_>> = architectures.iter().cycle().take(batch_size).map(Input::from).collect();
        let (on_gpu_s, one_thread_s) = (median_seconds(&gpu, &inputs)?, median_seconds(&cpu, &inputs)?);
        let rate = |seconds: f64| batch_size as f64 / seconds;
        println!(
            "| {batch_size} | {:.0} | {:.2} | {:.0} |",
            rate(on_gpu_s),
            on_gpu_s * 1e3,
            rate(one_thread_s)
        );
    }
    let inputs: Vec<Input<'_>> = architectures.iter().map(Input::from).collect();
    let started = Instant::now();
    let n_scored = scores_in_parallel(&gpu, &inputs, NonZero::<usize>::MIN)?.len();
    ensure!(n_scored == inputs.len(), "not every cell has a score");
    println!("\nThe whole space, {n_scored} cells, on the GPU: {:.2} s.", started.elapsed().as_secs_f64());
    Ok(())
}

fn median_seconds(model: &Model, inputs: &[Input<'_>]) -> anyhow::Result<f64> {
    model.scores(inputs)?;
    let n_repeats = if inputs.len() > 2_000 { N_REPEATS / 3 } else { N_REPEATS };
    let mut seconds = Vec::with_capacity(n_repeats);
    for _ in 0..n_repeats {
        let started = Instant::now();
        black_box(model.scores(black_box(inputs))?);
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}
