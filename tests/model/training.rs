//! Training is a function of configuration, dataset and seed.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use candle_core::Device;
use tagates::domain::Goal;
use tagates::fit::{
    Dataset, Epoch, Example, FitConfig, FitError, Loss, Observer, Plan, Run, StateError, Trainer,
};
use tagates::metrics::kendall_tau;
use tagates::model::{Checkpoint, Features, Input, Model, ModelConfig, SaliencyScale, SymmetryBreaking};
use tagates::space::{self, ReadOut, Saliencies};

use crate::{labelled, labelled_of, ta_gates, tiny};

#[test]
fn an_interrupted_run_ends_where_an_uninterrupted_one_does() {
    for (averaged_epochs, n_members) in [(0, 1), (3, 1), (3, 2)] {
        let config =
            FitConfig { averaged_epochs, n_members, ..tiny(SymmetryBreaking::Random { scale: 0.1 }) };
        let dataset = labelled(40, &config);
        let to_the_end = |mut trainer: Trainer<'_>| {
            while !trainer.is_done() {
                trainer.run_epoch().expect("an epoch");
            }
            trainer.checkpoint().expect("a checkpoint")
        };
        let straight = to_the_end(Trainer::new(&config, &dataset, 9, &Device::Cpu).expect("a run"));
        // Before the weights are averaged, and in the midst of it.
        for n_epochs in [1, 3] {
            let mut trainer = Trainer::new(&config, &dataset, 9, &Device::Cpu).expect("a run");
            for _ in 0..n_epochs {
                trainer.run_epoch().expect("an epoch");
            }
            let state = trainer.state().expect("a state");
            let trainer =
                Trainer::new(&config, &dataset, 9, &Device::Cpu).and_then(|trainer| trainer.resumed(&state));
            let trainer = trainer.expect("the same run");
            assert_eq!(trainer.n_epochs_done(), n_epochs);
            assert_eq!(to_the_end(trainer).as_bytes(), straight.as_bytes());
        }
    }
}

#[test]
fn averaged_weights_are_the_mean_of_those_after_the_last_epochs() {
    let config = FitConfig { averaged_epochs: 2, ..tiny(SymmetryBreaking::None) };
    let last = FitConfig { averaged_epochs: 0, ..config.clone() };
    let dataset = labelled(40, &config);
    let weights = |checkpoint: &Checkpoint| {
        let tensors = candle_core::safetensors::load_buffer(checkpoint.as_bytes(), &Device::Cpu);
        let weight = tensors.expect("safetensors").remove("mlp.1.weight").expect("the head's output");
        weight.flatten_all().and_then(|weight| weight.to_vec1::<f32>()).expect("numbers")
    };
    let mut trainer = Trainer::new(&last, &dataset, 9, &Device::Cpu).expect("a run");
    let mut after_epochs = Vec::new();
    while !trainer.is_done() {
        trainer.run_epoch().expect("an epoch");
        after_epochs.push(weights(&trainer.checkpoint().expect("a checkpoint")));
    }
    let mut trainer = Trainer::new(&config, &dataset, 9, &Device::Cpu).expect("a run");
    while !trainer.is_done() {
        trainer.run_epoch().expect("an epoch");
    }
    let averaged = weights(&trainer.checkpoint().expect("a checkpoint"));
    let [.., third, fourth] = &after_epochs[..] else { panic!("four epochs") };
    for ((mean, third), fourth) in averaged.iter().zip(third).zip(fourth) {
        assert!((mean - f32::midpoint(*third, *fourth)).abs() < 1e-6);
    }
    assert_ne!(third, fourth, "an epoch changes something");
}

#[test]
fn a_warm_start_goes_on_from_the_weights_it_is_given_and_from_no_others() {
    let config = tiny(SymmetryBreaking::None);
    let dataset = labelled(20, &config);
    let run = || Trainer::new(&config, &dataset, 9, &Device::Cpu).expect("a run");
    let mut first = run();
    first.run_epoch().expect("an epoch");
    let first = first.checkpoint().expect("a checkpoint");
    let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
    let scores = |checkpoint| {
        let model = Model::load(&checkpoint, &Device::Cpu).expect("a model");
        model.raw_scores(&inputs).expect("scores")
    };
    let warm = run().started_from(&first).expect("the same model");
    assert_eq!(scores(warm.checkpoint().expect("a checkpoint")), scores(first.clone()));

    let error = run().resumed(&warm.state().expect("a state")).expect_err("it started elsewhere");
    assert!(matches!(error, FitError::State(StateError::OtherRun)), "{error}");
    let other =
        FitConfig { model: ModelConfig { head_dims: vec![7], ..config.model.clone() }, ..config.clone() };
    let trainer = Trainer::new(&other, &dataset, 9, &Device::Cpu).expect("a run");
    let error = trainer.started_from(&first).expect_err("another model");
    assert!(matches!(error, FitError::OtherModel), "{error}");
}

/// Keeps the states of a fit, counts what it does, and stops it after so many epochs.
#[derive(Default)]
pub struct Kept {
    states: Mutex<BTreeMap<Run, Vec<u8>>>,
    n_stored: AtomicUsize,
    n_epochs: AtomicUsize,
    n_most: usize,
}

impl Kept {
    /// Stops nothing.
    pub fn to_the_end() -> Self {
        Self { n_most: usize::MAX, ..Self::default() }
    }
}

impl Observer for Kept {
    fn stored_state(&self, run: Run) -> io::Result<Option<Vec<u8>>> {
        Ok(self.states.lock().expect("nobody panicked").get(&run).cloned())
    }

    fn resumed(&self, _: Run, _: usize) {}

    fn store_state(&self, run: Run, state: &[u8]) -> io::Result<()> {
        self.n_stored.fetch_add(1, Ordering::Relaxed);
        self.states.lock().expect("nobody panicked").insert(run, state.to_vec());
        Ok(())
    }

    fn epoch_done(&self, _: Run, _: &Trainer<'_>, _: &Epoch) -> Result<ControlFlow<()>, FitError> {
        let n_epochs = 1 + self.n_epochs.fetch_add(1, Ordering::Relaxed);
        Ok(if n_epochs < self.n_most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }
}

#[test]
fn a_fit_that_is_stopped_begins_no_other_run_and_one_that_is_done_stores_nothing_anew() {
    let config = tiny(SymmetryBreaking::None);
    let dataset = labelled(40, &config);
    let plan = Plan {
        config: &config,
        dataset: &dataset,
        seed: 9,
        device: &Device::Cpu,
        n_folds: Some(2),
        may_stay_uncalibrated: true,
        start: None,
        n_threads: NonZero::<usize>::MIN,
    };
    let mut kept = Kept { n_most: 1, ..Kept::default() };
    assert!(plan.fit(&kept).expect("a fit").is_none());
    assert_eq!(kept.n_epochs.load(Ordering::Relaxed), 1);
    assert_eq!(kept.states.lock().expect("nobody panicked").len(), 1);

    kept.n_most = usize::MAX;
    let first = plan.fit(&kept).expect("a fit").expect("not stopped");
    let n_stored = kept.n_stored.load(Ordering::Relaxed);
    let again = plan.fit(&kept).expect("a fit").expect("not stopped");
    assert_eq!(again.as_bytes(), first.as_bytes());
    assert_eq!(kept.n_stored.load(Ordering::Relaxed), n_stored);
}

#[test]
fn what_learnt_from_saliencies_is_not_calibrated_by_a_sample_without_any() {
    let mut config = tiny(SymmetryBreaking::None);
    config.model.features.n_metrics = 2;
    let without = labelled(40, &config);
    let mut with = without.clone();
    for example in &mut with.examples {
        example.saliencies = Some(crate::saliencies(&example.architecture, 2));
    }
    let plan = |dataset| Plan {
        config: &config,
        dataset,
        seed: 9,
        device: &Device::Cpu,
        n_folds: Some(2),
        may_stay_uncalibrated: true,
        start: None,
        n_threads: NonZero::<usize>::MIN,
    };
    assert!(plan(&without).can_calibrate() && !plan(&with).can_calibrate());
    assert!(matches!(plan(&with).fit(&Kept::default()), Err(FitError::NoReference)));
}

#[test]
fn a_state_of_another_run_or_a_damaged_one_is_refused() {
    let config = tiny(SymmetryBreaking::None);
    let dataset = labelled(20, &config);
    let state = Trainer::new(&config, &dataset, 9, &Device::Cpu)
        .and_then(|trainer| trainer.state())
        .expect("a state");
    for (seed, state) in [(10, state.as_slice()), (9, &state[..state.len() / 2]), (9, b"{}")] {
        let trainer =
            Trainer::new(&config, &dataset, seed, &Device::Cpu).and_then(|trainer| trainer.resumed(state));
        let error = trainer.expect_err("not this run's state");
        let FitError::State(error) = error else { panic!("{error}") };
        assert!(matches!((seed, error), (10, StateError::OtherRun) | (9, StateError::Damaged(_))));
    }
}

#[test]
fn a_small_set_is_learnt_by_heart_with_either_loss() {
    let hinge = tiny(SymmetryBreaking::None);
    let mut optimizer = hinge.optimizer;
    optimizer.learning_rate = 1e-2;
    let hinge = FitConfig { n_epochs: 200, optimizer, ..hinge };
    let squared = FitConfig { loss: Loss::MeanSquaredError, ..hinge.clone() };
    for (config, least) in [(hinge, 0.85), (squared, 0.7)] {
        let dataset = labelled(24, &config);
        let mut trainer = Trainer::new(&config, &dataset, 1, &Device::Cpu).expect("a run");
        while !trainer.is_done() {
            trainer.run_epoch().expect("an epoch");
        }
        let checkpoint = trainer.checkpoint().expect("a checkpoint");
        let model = Model::load(&checkpoint, &Device::Cpu).expect("a model");
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let scores = model.scores(&inputs).expect("scores");
        for target in 0..2 {
            let scores: Vec<f64> = scores.iter().map(|row| row[target]).collect();
            let labels: Vec<f64> = dataset.labels(target).into_iter().flatten().collect();
            let tau = kendall_tau(&scores, &labels).expect("defined");
            assert!(tau > least, "{:?}, target {target}: tau {tau}", config.loss);
        }
    }
}

#[test]
fn a_goal_to_minimize_turns_the_scores_round() {
    let config = tiny(SymmetryBreaking::None);
    let mut optimizer = config.optimizer;
    optimizer.learning_rate = 1e-2;
    let hinge = FitConfig { n_epochs: 100, optimizer, ..config };
    let squared = FitConfig { loss: Loss::MeanSquaredError, ..hinge.clone() };
    for config in [hinge, squared] {
        let dataset = Dataset { goal: Goal::Minimize, ..labelled(24, &config) };
        let mut trainer = Trainer::new(&config, &dataset, 1, &Device::Cpu).expect("a run");
        while !trainer.is_done() {
            trainer.run_epoch().expect("an epoch");
        }
        let model = Model::load(&trainer.checkpoint().expect("a checkpoint"), &Device::Cpu).expect("a model");
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let scores: Vec<f64> = model.scores(&inputs).expect("scores").iter().map(|row| row[1]).collect();
        let labels: Vec<f64> = dataset.labels(1).into_iter().flatten().collect();
        let tau = kendall_tau(&scores, &labels).expect("defined");
        assert!(tau < -0.6, "{:?}: smaller labels are better, tau {tau}", config.loss);
    }
}

/// Infeasible architectures have to be ranked below all others, and are no values.
#[test]
fn the_infeasible_are_learnt_to_be_the_worst() {
    let config = tiny(SymmetryBreaking::None);
    let mut optimizer = config.optimizer;
    optimizer.learning_rate = 1e-2;
    let config = FitConfig { n_epochs: 150, optimizer, ..config };
    for goal in [Goal::Maximize, Goal::Minimize] {
        let mut dataset = Dataset { goal, ..labelled(24, &config) };
        for example in dataset.examples.iter_mut().step_by(4) {
            (example.labels[1], example.infeasible) = (None, vec![false, true]);
        }
        let mut trainer = Trainer::new(&config, &dataset, 1, &Device::Cpu).expect("a run");
        while !trainer.is_done() {
            trainer.run_epoch().expect("an epoch");
        }
        let model = Model::load(&trainer.checkpoint().expect("a checkpoint"), &Device::Cpu).expect("a model");
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let scores: Vec<f64> = model.scores(&inputs).expect("scores").iter().map(|row| row[1]).collect();
        let merits: Vec<f64> = dataset.merits(1).into_iter().map(|merit| merit.expect("tried")).collect();
        let mean = |is_infeasible: bool| {
            let of = scores.iter().zip(&merits).filter(|(_, merit)| merit.is_infinite() == is_infeasible);
            let of: Vec<f64> = of.map(|(score, _)| *score).collect();
            of.iter().sum::<f64>() / of.len() as f64
        };
        assert!(mean(true) < mean(false) - 0.05, "{goal:?}: {} and {}", mean(true), mean(false));
        assert!(kendall_tau(&scores, &merits).is_some_and(|tau| tau > 0.6), "{goal:?}");
    }
}

#[test]
fn what_cannot_be_trained_on_is_named() {
    let config = tiny(SymmetryBreaking::Concat { n_metrics: 5 });
    let mut dataset = labelled(4, &config);
    dataset.examples[2].saliencies = None;
    let error = Trainer::new(&config, &dataset, 0, &Device::Cpu).expect_err("saliencies are missing");
    assert!(matches!(error, FitError::Input { index: 2, .. }), "{error}");
    let mut shallow = tiny(SymmetryBreaking::None);
    ta_gates(&mut shallow.model).n_steps = 1;
    let error =
        Trainer::new(&shallow, &labelled(4, &shallow), 0, &Device::Cpu).expect_err("two targets, one step");
    assert_eq!(error.to_string(), "2 targets need as many time steps, the model has 1");

    let config = tiny(SymmetryBreaking::None);
    for label in [None, Some(50.0)] {
        let mut dataset = labelled(4, &config);
        dataset.examples.iter_mut().for_each(|example| example.labels[1] = label);
        let error = Trainer::new(&config, &dataset, 0, &Device::Cpu).expect_err("nothing to tell apart");
        assert_eq!(error.to_string(), "acc_200 has no two different labels to learn from");
    }
}

/// A space of one's own is a file, which may have been edited since.
#[test]
fn what_was_learnt_in_a_space_that_was_defined_otherwise_is_no_start() {
    let config = tiny(SymmetryBreaking::None);
    let mine = |read_out: ReadOut| {
        let mut own = (*space::nasbench201()).clone();
        (own.name, own.read_out) = ("mine".into(), read_out);
        labelled_of(&Arc::new(own), 40, &config)
    };
    let (before, after) = (mine(ReadOut::Output), mine(ReadOut::MeanOfNodes));
    let mut trainer = Trainer::new(&config, &before, 9, &Device::Cpu).expect("a run");
    trainer.run_epoch().expect("an epoch");
    let (state, checkpoint) =
        (trainer.state().expect("a state"), trainer.checkpoint().expect("a checkpoint"));
    let of = |dataset| Trainer::new(&config, dataset, 9, &Device::Cpu).expect("a run");
    of(&before).resumed(&state).expect("the same run");
    let refused = of(&after).resumed(&state).expect_err("another run");
    assert!(matches!(refused, FitError::State(StateError::OtherRun)), "{refused}");
    of(&before).started_from(&checkpoint).expect("the same model");
    let refused = of(&after).started_from(&checkpoint).expect_err("another model");
    assert!(matches!(refused, FitError::OtherModel), "{refused}");
    let model = Model::load(&checkpoint, &Device::Cpu).expect("a model");
    model.check(&before.examples[0].input()).expect("of its space");
    model.check(&after.examples[0].input()).expect_err("of another definition");
}

/// The same dataset with saliencies of another scale, each metric its own; those of operations without weights are
/// whatever they become.
fn rescaled(dataset: &Dataset) -> Dataset {
    let mut dataset = dataset.clone();
    for example in &mut dataset.examples {
        let rows = example.saliencies.as_ref().expect("made up").rows();
        let rows = rows.map(|row| vec![1_000.0 * row[0] - 7.0, 0.5 * row[1] + 3.0]).collect::<Vec<_>>();
        example.saliencies = Some(Saliencies::from_rows(&rows).expect("finite"));
    }
    dataset
}

#[test]
fn standardised_saliencies_may_come_in_any_scale() {
    for symmetry_breaking in
        [SymmetryBreaking::Add { n_metrics: 2, beta: 1.0 }, SymmetryBreaking::Concat { n_metrics: 2 }]
    {
        let scores = |saliency_scale, change: fn(&Dataset) -> Dataset| {
            let mut config = tiny(symmetry_breaking);
            ta_gates(&mut config.model).saliency_scale = saliency_scale;
            let dataset = change(&labelled(40, &config));
            let mut trainer = Trainer::new(&config, &dataset, 1, &Device::Cpu).expect("a run");
            while !trainer.is_done() {
                trainer.run_epoch().expect("an epoch");
            }
            let checkpoint = trainer.checkpoint().expect("a checkpoint");
            // From the bytes: the statistics are in there.
            let model = Model::load(&checkpoint, &Device::Cpu).expect("a model");
            let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
            model.raw_scores(&inputs).expect("scores").concat()
        };
        let difference = |saliency_scale| {
            let pairs = scores(saliency_scale, Dataset::clone).into_iter();
            let differences = pairs.zip(scores(saliency_scale, rescaled)).map(|(x, y)| (x - y).abs());
            differences.fold(0.0, f64::max)
        };
        let standardised = difference(SaliencyScale::Standardised);
        assert!(standardised < 1e-2, "{symmetry_breaking:?}: {standardised}");
        let as_given = difference(SaliencyScale::AsGiven);
        assert!(as_given > 10.0 * standardised, "{symmetry_breaking:?}: {as_given}");
    }
}

#[test]
fn a_metric_of_mere_rounding_changes_no_score() {
    let mut config = tiny(SymmetryBreaking::Add { n_metrics: 2, beta: 1.0 });
    ta_gates(&mut config.model).saliency_scale = SaliencyScale::Standardised;
    config.model.features = Features { cost: false, n_metrics: 2 };
    let with_second = |value: fn(usize) -> f64| {
        let mut dataset = labelled(40, &config);
        for (index, example) in dataset.examples.iter_mut().enumerate() {
            let rows = example.saliencies.as_ref().expect("made up").rows();
            let rows = rows.map(|row| vec![row[0], value(index)]).collect::<Vec<_>>();
            example.saliencies = Some(Saliencies::from_rows(&rows).expect("finite"));
        }
        dataset
    };
    let scores = |dataset: &Dataset| {
        let checkpoint = Trainer::new(&config, dataset, 1, &Device::Cpu)
            .and_then(|run| run.checkpoint())
            .expect("a model");
        let model = Model::load(&checkpoint, &Device::Cpu).expect("a model");
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        model.raw_scores(&inputs).expect("scores").concat()
    };
    let constant = scores(&with_second(|_| 0.0));
    let rounding = scores(&with_second(|index| if index.is_multiple_of(2) { 1e-7 } else { -3e-7 }));
    for (x, y) in constant.into_iter().zip(rounding) {
        assert!((x - y).abs() < 1e-4, "{x} is not {y}");
    }
}

#[test]
fn there_is_nothing_to_standardise_without_saliencies() {
    let mut config = tiny(SymmetryBreaking::None);
    ta_gates(&mut config.model).saliency_scale = SaliencyScale::Standardised;
    let error = config.model.validate().expect_err("no saliencies");
    assert_eq!(error.field, "encoder.ta_gates.saliency_scale");
}
