//! The encoders that TA-GATES is compared with, in every space they take.

use std::sync::Arc;

use candle_core::Device;
use tagates::fit::{Example, FitConfig, Loss, Pairs, Trainer};
use tagates::metrics::kendall_tau;
use tagates::model::{
    Checkpoint, Encoder, GcnConfig, Heads, Input, LstmConfig, MlpConfig, Model, ModelConfig, SymmetryBreaking,
};
use tagates::space::{self, DeadNodes, SearchSpace};

use crate::determinism::assert_alone_equals_in_company;
use crate::{labelled_of, tiny, trained_of};

fn mlp() -> Encoder {
    Encoder::Mlp(MlpConfig { dims: vec![32, 16] })
}

fn of_numbers() -> Encoder {
    Encoder::Mlp(MlpConfig::default())
}

fn lstm() -> Encoder {
    Encoder::Lstm(LstmConfig { embedding_dim: 8, hidden_dim: 16 })
}

fn seminas() -> Encoder {
    Encoder::Seminas(LstmConfig { embedding_dim: 8, hidden_dim: 16 })
}

fn gcn() -> Encoder {
    Encoder::Gcn(GcnConfig { operation_dim: 8, hidden_dim: 12, dims: vec![16; 3] })
}

fn line_gcn() -> Encoder {
    Encoder::LineGcn(GcnConfig { operation_dim: 8, hidden_dim: 12, dims: vec![16; 3] })
}

/// Each built-in space with the encoders it has.
fn all() -> Vec<(Arc<SearchSpace>, Encoder)> {
    let of_all = [mlp(), of_numbers(), lstm(), seminas(), gcn(), line_gcn()];
    let with_encoders = |space: Arc<SearchSpace>| {
        let fitting = of_all.iter().filter(|encoder| model((*encoder).clone()).check_space(&space).is_ok());
        fitting.map(|encoder| (space.clone(), encoder.clone())).collect::<Vec<_>>()
    };
    space::builtins().flat_map(with_encoders).collect()
}

/// With a head for all targets, since there is one time step.
fn model(encoder: Encoder) -> ModelConfig {
    ModelConfig { encoder, head_dims: vec![24], heads: Heads::LastStep, ..ModelConfig::default() }
}

fn short(encoder: Encoder) -> FitConfig {
    FitConfig { model: model(encoder), ..tiny(SymmetryBreaking::None) }
}

#[test]
fn every_space_has_its_encoders() {
    let n_of = |name: &str| all().iter().filter(|(space, _)| space.name == name).count();
    assert_eq!(["nasbench101", "nasbench201", "darts", "enas"].map(n_of), [5, 5, 6, 6]);
}

#[test]
fn a_score_is_the_same_bits_alone_and_in_company() {
    for (space, encoder) in all() {
        assert_alone_equals_in_company(&space, &short(encoder), 33, &[2, 3, 5, 8, 13, 33]);
    }
}

#[test]
fn so_it_is_with_parameters_and_flops_beside_every_embedding() {
    for (space, encoder) in all() {
        let mut config = short(encoder);
        config.model.features.cost = true;
        assert_alone_equals_in_company(&space, &config, 9, &[2, 3, 9]);
    }
}

#[test]
fn so_it_is_at_published_width() {
    for name in ["mlp-nasbench201", "lstm-nasbench201", "gcn-nasbench201"] {
        let published = FitConfig::named(&format!("paper/{name}")).expect("a built-in configuration");
        let config = FitConfig { n_epochs: 1, ..published };
        assert_alone_equals_in_company(&space::nasbench201(), &config, 66, &[2, 7, 66]);
    }
}

#[test]
fn a_small_set_is_learnt_by_heart_and_scores_the_same_from_the_file() {
    for (space, encoder) in all() {
        let what = format!("{}, {encoder:?}", space.name);
        let config = short(encoder);
        let mut optimizer = config.optimizer;
        optimizer.learning_rate = 1e-2;
        let loss = Loss::PairwiseHinge { margin: 0.1, pairs: Pairs::All };
        let config = FitConfig { n_epochs: 80, optimizer, loss, ..config };
        let dataset = labelled_of(&space, 24, &config);
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let mut trainer = Trainer::new(&config, &dataset, 1, &Device::Cpu).expect("a run");
        let scores = |checkpoint: &Checkpoint| {
            let model = Model::load(checkpoint, &Device::Cpu).expect("a model");
            model.scores(&inputs).expect("scores")
        };
        let taus = |scores: &[Vec<f64>]| {
            [0, 1].map(|target| {
                let scores: Vec<f64> = scores.iter().map(|row| row[target]).collect();
                let labels: Vec<f64> = dataset.labels(target).into_iter().flatten().collect();
                kendall_tau(&scores, &labels).unwrap_or(0.0)
            })
        };
        let before = taus(&scores(&trainer.checkpoint().expect("a checkpoint")));
        while !trainer.is_done() {
            trainer.run_epoch().expect("an epoch");
        }
        let checkpoint = trainer.checkpoint().expect("a checkpoint");
        let learnt = scores(&checkpoint);
        for (before, after) in before.into_iter().zip(taus(&learnt)) {
            assert!(after > 0.75 && after > before, "{what}: tau {before}, then {after}");
        }
        let read = Checkpoint::from_bytes(checkpoint.as_bytes()).expect("what was written");
        assert_eq!(read.header().predictor_kind, config.model.encoder.kind());
        assert_eq!(scores(&read), learnt, "{what}");
    }
}

#[test]
fn an_encoder_that_does_not_fit_the_space_is_named() {
    let refusal = |encoder, space: &SearchSpace| {
        model(encoder).check_space(space).expect_err("does not fit").to_string()
    };
    assert_eq!(
        refusal(gcn(), &space::nasbench201()),
        "encoder.gcn: its nodes have as many operations each, nasbench201 has any number on edges; line_gcn takes them"
    );
    assert_eq!(
        refusal(line_gcn(), &space::nasbench101()),
        "encoder.line_gcn: its vertices are edges, nasbench101 has its operations on nodes"
    );
    let mut mine = (*space::nasbench101()).clone();
    mine.operations.truncate(3);
    assert_eq!(mine.dead_nodes, DeadNodes::Pruned);
    assert_eq!(
        refusal(seminas(), &mine),
        "encoder.seminas: its sequences have one length, nasbench101 has cells of several and no operation of role \
         none to fill them up with"
    );
}

#[test]
fn a_checkpoint_that_says_to_be_of_another_kind_is_refused() {
    let checkpoint = trained_of(&space::nasbench201(), &short(mlp()));
    let mut header = checkpoint.header().clone();
    header.predictor_kind = lstm().kind();
    assert_eq!(
        checkpoint.with_header(&header).expect_err("no LSTM").to_string(),
        "checkpoint header: predictor kind lstm where the encoder is of mlp"
    );
}
