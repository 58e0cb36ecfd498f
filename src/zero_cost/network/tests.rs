//! Networks against what is known of their benchmarks.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::{Network, Parameters, Pass};
use crate::space::{self, Architecture, Definition, SearchSpace};
use crate::zero_cost::batch::Batch;
use crate::zero_cost::{Error, Images, Metric, Proxy, Size};

/// Networks and mini-batches as small as they can be.
fn tiny() -> Proxy {
    let size = Size { channels: 6, cells_per_stage: 1 };
    Proxy {
        metrics: Metric::ALL.to_vec(),
        images: Images::Noise,
        n_images: 3,
        image_side: 8,
        n_classes: 4,
        nasbench101: size,
        nasbench201: size,
        darts: size,
        enas: size,
    }
}

fn outputs(architecture: &Architecture, seed: u64) -> Tensor {
    let network = Network::of(architecture, &tiny()).expect("a known network");
    let parameters = Parameters::initial(&network, seed, &Device::Cpu).expect("values");
    let batch = Batch::of(&tiny(), 0).expect("images");
    let mut pass = Pass::new(&network, &parameters, tiny().n_images).expect("a pass");
    network.forward(&batch.images, &mut pass).expect("a network that fits together")
}

#[test]
fn parameters_are_as_many_as_the_benchmarks_count() {
    let full = Proxy::named("full").expect("a built-in proxy");
    let whole_size: SearchSpace = {
        let definition = include_str!("../../space/registry/darts.toml");
        toml::from_str(&definition.replace("\"nasbench301\"", "\"darts\"")).expect("sound")
    };
    let large = Proxy { darts: Size { channels: 36, cells_per_stage: 6 }, ..full.clone() };
    let spaces = [
        (space::nasbench101(), &full),
        (space::nasbench201(), &full),
        (space::darts(), &full),
        (Arc::new(whole_size), &large),
    ];
    for (space, proxy) in spaces {
        for architecture in space.sample(50, 7) {
            let network = Network::of(&architecture, proxy).expect("a known network");
            let counted = architecture.cost().expect("a space with a skeleton").parameters;
            assert_eq!(network.n_parameters() as u64, counted, "{architecture:?}");
        }
    }
}

#[test]
fn networks_of_every_space_classify_images() {
    for space in space::builtins() {
        for architecture in space.sample(8, 1) {
            assert_eq!(outputs(&architecture, 0).dims(), [4, 3], "{architecture:?}");
        }
    }
}

#[test]
fn where_nothing_arrives_only_the_bias_is_left() {
    let cell = space::nasbench201().parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|").expect("valid");
    for row in outputs(&cell, 0).to_vec2::<f32>().expect("numbers") {
        assert!(row.iter().all(|output| (output - row[0]).abs() < 1e-6), "{row:?}");
    }
}

#[test]
fn parameters_come_from_the_seed_alone() {
    let cell = &space::nasbench201().sample(1, 0)[0];
    let values = |seed| outputs(cell, seed).to_vec2::<f32>().expect("numbers");
    assert_eq!(values(3), values(3));
    assert_ne!(values(3), values(4));
}

#[test]
fn a_space_without_a_known_network_is_refused() {
    let definition = Definition { name: "mine".to_owned(), ..space::enas().definition() };
    let space = Arc::new(SearchSpace::custom(definition).expect("sound"));
    let refused = Network::of(&space.sample(1, 0)[0], &tiny()).expect_err("nothing is known of it");
    assert!(matches!(refused, Error::NoNetwork { space } if space == "mine"));
}
