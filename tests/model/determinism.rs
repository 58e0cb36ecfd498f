//! Same checkpoint, same architecture, same score, in any company.

use std::sync::Arc;

use candle_core::Device;
use tagates::fit::{Example, FitConfig};
use tagates::model::{Encodes, Input, Model, SymmetryBreaking};
use tagates::space::{self, SearchSpace};

use crate::{labelled, labelled_of, ta_gates, tiny, tiny_of_nodes, trained, trained_of};

const VARIANTS: [SymmetryBreaking; 4] = [
    SymmetryBreaking::None,
    SymmetryBreaking::Random { scale: 0.1 },
    SymmetryBreaking::Add { n_metrics: 5, beta: 0.5 },
    SymmetryBreaking::Concat { n_metrics: 5 },
];

pub fn assert_alone_equals_in_company(
    space: &Arc<SearchSpace>,
    config: &FitConfig,
    n: usize,
    sizes: &[usize],
) {
    let model = Model::load(&trained_of(space, config), &Device::Cpu).expect("a model");
    let dataset = labelled_of(space, n, config);
    let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
    let alone: Vec<Vec<f64>> =
        inputs.iter().map(|input| model.raw_scores(&[*input]).expect("scores").remove(0)).collect();
    for &size in sizes {
        let in_company: Vec<Vec<f64>> =
            inputs.chunks(size).flat_map(|batch| model.raw_scores(batch).expect("scores")).collect();
        // Bit for bit: `==` on purpose.
        let what = format!("{}, {:?}, batches of {size}", space.name, config.model.encoder);
        assert_eq!(alone, in_company, "{what}");
    }
}

#[test]
fn a_score_is_the_same_bits_alone_and_in_a_batch_of_any_size() {
    for symmetry_breaking in VARIANTS {
        let sizes = [2, 3, 4, 5, 8, 13, 31, 64];
        assert_alone_equals_in_company(&space::nasbench201(), &tiny(symmetry_breaking), 64, &sizes);
    }
}

#[test]
fn so_it_is_in_every_space_written_or_represented() {
    for space in space::builtins() {
        for symmetry_breaking in VARIANTS {
            for encodes in [Encodes::Written, Encodes::Representative] {
                let mut config = tiny_of_nodes(symmetry_breaking);
                ta_gates(&mut config.model).encodes = encodes;
                assert_alone_equals_in_company(&space, &config, 16, &[2, 5, 16]);
            }
        }
    }
}

#[test]
fn a_score_is_the_same_bits_alone_and_in_a_batch_of_512_at_published_width() {
    let published = FitConfig::named("paper/nasbench201").expect("a built-in configuration");
    let config = FitConfig { n_epochs: 1, ..published };
    assert_alone_equals_in_company(&space::nasbench201(), &config, 512, &[2, 7, 512]);
}

#[test]
fn loading_twice_answers_the_same() {
    for symmetry_breaking in VARIANTS {
        let config = tiny(symmetry_breaking);
        let checkpoint = trained(&config);
        let dataset = labelled(8, &config);
        let inputs: Vec<Input<'_>> = dataset.examples.iter().map(Example::input).collect();
        let scores =
            || Model::load(&checkpoint, &Device::Cpu).expect("a model").scores(&inputs).expect("scores");
        assert_eq!(scores(), scores());
    }
}
