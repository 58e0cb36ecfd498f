//! Several networks in one checkpoint, whose scores are averaged.

use std::num::NonZero;

use candle_core::Device;
use tagates::fit::{Dataset, Epoch, Example, FitConfig, FitError, Plan, Trainer};
use tagates::model::{Checkpoint, Encoder, Heads, Input, MlpConfig, Model, ModelConfig, SymmetryBreaking};
use tagates::space;

use crate::determinism::assert_alone_equals_in_company;
use crate::training::Kept;
use crate::{fitted, labelled, tiny, trained};

const SEED: u64 = 9;

fn of_members(n_members: usize) -> FitConfig {
    FitConfig { n_members, ..tiny(SymmetryBreaking::None) }
}

fn raw_scores(checkpoint: &Checkpoint, dataset: &Dataset) -> Vec<Vec<f64>> {
    let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
    let model = Model::load(checkpoint, &Device::Cpu).expect("a model");
    model.raw_scores(&inputs).expect("scores")
}

#[test]
fn they_are_the_networks_that_their_seeds_give_alone_and_their_scores_are_averaged() {
    let dataset = labelled(40, &of_members(1));
    let together = fitted(&of_members(3), &dataset, SEED);
    let seeds: Vec<u64> = together.header().members.iter().map(|member| member.seed).collect();
    assert_eq!((seeds.len(), seeds[0]), (3, SEED));
    assert!(seeds[0] != seeds[1] && seeds[1] != seeds[2] && seeds[0] != seeds[2], "{seeds:?}");
    let alone: Vec<Vec<Vec<f64>>> =
        seeds.iter().map(|&seed| raw_scores(&fitted(&of_members(1), &dataset, seed), &dataset)).collect();
    assert!(alone[0] != alone[1] && alone[1] != alone[2], "they differ");
    let mut means = vec![vec![0.0; 2]; dataset.examples.len()];
    for (index, row) in means.iter_mut().enumerate() {
        for (step, mean) in row.iter_mut().enumerate() {
            *mean = alone.iter().map(|rows| rows[index][step]).sum::<f64>() / 3.0;
        }
    }
    assert_eq!(raw_scores(&together, &dataset), means);
}

#[test]
fn a_run_starts_from_the_weights_of_as_many() {
    let (two, three) = (of_members(2), of_members(3));
    let dataset = labelled(20, &two);
    let first = fitted(&two, &dataset, SEED);
    let run = |config| Trainer::new(config, &dataset, SEED, &Device::Cpu).expect("a run");
    let warm = run(&two).started_from(&first).and_then(|run| run.checkpoint()).expect("the same model");
    assert_eq!(warm.as_bytes(), first.as_bytes(), "each has its own");
    let error = run(&three).started_from(&first).expect_err("one more");
    assert!(matches!(error, FitError::OtherModel), "{error}");
}

#[test]
fn they_are_the_same_side_by_side_as_one_after_the_other() {
    let config = of_members(3);
    let dataset = labelled(40, &config);
    let on_threads = |n_threads| {
        let mut trainer = Trainer::new(&config, &dataset, SEED, &Device::Cpu).expect("a run");
        trainer = trainer.on_threads(NonZero::new(n_threads).expect("at least one"));
        let epochs: Vec<Epoch> = (0..2).map(|_| trainer.run_epoch().expect("an epoch")).collect();
        (epochs, trainer.checkpoint().expect("a checkpoint").as_bytes().to_vec())
    };
    let one_after_the_other = on_threads(1);
    for n_threads in [2, 3, 8] {
        assert_eq!(on_threads(n_threads), one_after_the_other, "{n_threads} threads");
    }
}

#[test]
fn a_fit_calibrates_them_together_on_any_number_of_threads() {
    let config = of_members(2);
    let dataset = labelled(80, &config);
    let plan = |n_threads| Plan {
        config: &config,
        dataset: &dataset,
        seed: SEED,
        n_folds: Some(2),
        may_stay_uncalibrated: false,
        start: None,
        device: &Device::Cpu,
        n_threads: NonZero::new(n_threads).expect("at least one"),
    };
    let fit = |n_threads| plan(n_threads).fit(&Kept::to_the_end()).expect("a fit").expect("not stopped");
    let on_one = fit(1);
    assert!(Model::load(&on_one, &Device::Cpu).expect("a model").is_calibrated());
    for n_threads in [2, 8] {
        assert_eq!(fit(n_threads).as_bytes(), on_one.as_bytes(), "{n_threads} threads");
    }
}

#[test]
fn their_mean_is_the_same_bits_alone_and_in_company() {
    for symmetry_breaking in [SymmetryBreaking::None, SymmetryBreaking::Random { scale: 0.1 }] {
        let config = FitConfig { n_members: 2, ..tiny(symmetry_breaking) };
        assert_alone_equals_in_company(&space::nasbench201(), &config, 16, &[2, 5, 16]);
    }
}

#[test]
fn more_than_a_checkpoint_holds_are_refused_before_they_are_trained() {
    let mlp = MlpConfig { dims: vec![2_048; 3] };
    let model = ModelConfig { encoder: Encoder::Mlp(mlp), heads: Heads::LastStep, ..of_members(1).model };
    let config = |n_members| FitConfig { model: model.clone(), ..of_members(n_members) };
    let dataset = labelled(20, &of_members(1));
    Trainer::new(&config(1), &dataset, SEED, &Device::Cpu).expect("one fits");
    let error = Trainer::new(&config(2), &dataset, SEED, &Device::Cpu).expect_err("two do not");
    assert!(matches!(error, FitError::TooLarge { n_members: 2, .. }), "{error}");
}

#[test]
fn the_published_implementation_has_no_place_for_several() {
    trained(&of_members(1)).to_published().expect("one alone");
    let error = trained(&of_members(2)).to_published().expect_err("two");
    let expected = "checkpoint header: the published implementation has no place for several members";
    assert_eq!(error.to_string(), expected);
}
