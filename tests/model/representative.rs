//! Architectures that compute the same thing, and how they score.

use candle_core::Device;
use tagates::fit::FitConfig;
use tagates::model::{Encodes, Input, Model, SymmetryBreaking};
use tagates::space::{self, Architecture};

use crate::{ta_gates, tiny_of_nodes, trained_of};

/// The same convolutions, behind a skip and without it.
const NASBENCH201: [&str; 2] = [
    "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|",
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|nor_conv_1x1~1|none~2|",
];

/// The two branches in either order.
const NASBENCH101: [&str; 2] = [
    r#"{"module_adjacency":[[0,1,1,0],[0,0,0,1],[0,0,0,1],[0,0,0,0]],"module_operations":["input","conv1x1-bn-relu","maxpool3x3","output"]}"#,
    r#"{"module_adjacency":[[0,1,1,0],[0,0,0,1],[0,0,0,1],[0,0,0,0]],"module_operations":["input","maxpool3x3","conv1x1-bn-relu","output"]}"#,
];

/// Node 3 of the normal cell skips node 2, so that node 4 reads one or the other.
const DARTS: [&str; 2] = [
    "Genotype(normal=[('sep_conv_3x3', 0), ('none', 1), ('skip_connect', 2), ('none', 0), ('sep_conv_5x5', 2), ('none', 0), ('none', 0), ('none', 1)], normal_concat=[2, 3, 4, 5], reduce=[('skip_connect', 0), ('none', 1), ('none', 0), ('none', 1), ('none', 0), ('none', 1), ('none', 0), ('none', 1)], reduce_concat=[2, 3, 4, 5])",
    "Genotype(normal=[('sep_conv_3x3', 0), ('none', 1), ('skip_connect', 2), ('none', 0), ('sep_conv_5x5', 3), ('none', 0), ('none', 0), ('none', 1)], normal_concat=[2, 3, 4, 5], reduce=[('none', 1), ('skip_connect', 0), ('none', 1), ('none', 0), ('none', 1), ('none', 0), ('none', 1), ('none', 0)], reduce_concat=[2, 3, 4, 5])",
];

/// Bit for bit.
fn scores(config: &FitConfig, architectures: &[Architecture]) -> Vec<u64> {
    let model = Model::load(&trained_of(architectures[0].space(), config), &Device::Cpu).expect("a model");
    let inputs: Vec<Input<'_>> = architectures.iter().map(Input::from).collect();
    model.raw_scores(&inputs).expect("scores").iter().map(|scores| scores[0].to_bits()).collect()
}

#[test]
fn members_of_a_class_score_alike_where_its_representative_is_encoded() {
    for (space, texts) in
        [(space::nasbench101(), NASBENCH101), (space::nasbench201(), NASBENCH201), (space::darts(), DARTS)]
    {
        let architectures = texts.map(|text| space.parse(text).expect("valid"));
        let ids = architectures.each_ref().map(|architecture| architecture.canonical().id);
        assert_eq!(ids[0], ids[1], "{}", space.name);
        let mut config = tiny_of_nodes(SymmetryBreaking::None);
        ta_gates(&mut config.model).encodes = Encodes::Representative;
        let represented = scores(&config, &architectures);
        assert_eq!(represented[0], represented[1], "{}", space.name);
        ta_gates(&mut config.model).encodes = Encodes::Written;
        let written = scores(&config, &architectures);
        assert!(space.name == "nasbench101" || written[0] != written[1], "{}: a skip counts", space.name);
    }
}
