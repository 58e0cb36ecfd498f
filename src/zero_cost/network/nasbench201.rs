//! NAS-Bench-201: a stem, three stages of cells, a residual block that halves the image between stages.

use super::blueprint::{Blueprint, Maps};
use crate::space::Architecture;
use crate::zero_cost::Size;
use crate::zero_cost::layers::Window;

const N_STAGES: usize = 3;

/// All but the classifier.
pub fn stack(blueprint: &mut Blueprint, images: Maps, architecture: &Architecture, size: Size) -> Maps {
    let stem = blueprint.convolution(images, Window::centred(3), size.channels);
    let mut maps = blueprint.normalise(stem);
    for stage in 0..N_STAGES {
        if stage > 0 {
            maps = reduction(blueprint, maps);
        }
        for _ in 0..size.cells_per_stage {
            maps = cell(blueprint, maps, architecture);
        }
    }
    let maps = blueprint.normalise(maps);
    blueprint.relu(maps)
}

/// Each node sums up what arrives.
fn cell(blueprint: &mut Blueprint, input: Maps, architecture: &Architecture) -> Maps {
    let cell = &architecture.cells()[0];
    let mut nodes = vec![input];
    for node in 1..cell.n_nodes {
        let mut arriving = Vec::new();
        for (place, edge) in cell.edges.iter().enumerate().filter(|(_, edge)| edge.target == node) {
            let name = architecture.space().operation_of(edge);
            arriving.extend(operation(blueprint, nodes[edge.source], name, place));
        }
        nodes.push(blueprint.sum(&arriving, (input.channels, input.side)));
    }
    nodes[cell.n_nodes - 1]
}

/// What an operation makes, nothing where it is no connection.
fn operation(blueprint: &mut Blueprint, maps: Maps, name: &str, place: usize) -> Option<Maps> {
    match name {
        "none" => None,
        "skip_connect" => Some(maps),
        "avg_pool_3x3" => Some(blueprint.average_pool(maps, Window::centred(3))),
        "nor_conv_1x1" | "nor_conv_3x3" => Some(blueprint.at_place(place, |blueprint| {
            let window = Window::centred(if name == "nor_conv_1x1" { 1 } else { 3 });
            relu_convolution(blueprint, maps, window, maps.channels)
        })),
        _ => unreachable!("the skeleton has no {name:?}, so its definition was refused"),
    }
}

fn relu_convolution(blueprint: &mut Blueprint, maps: Maps, window: Window, channels: usize) -> Maps {
    let maps = blueprint.relu(maps);
    let maps = blueprint.convolution(maps, window, channels);
    blueprint.normalise(maps)
}

/// Two convolutions, the first with stride 2, and a pooled 1x1 convolution beside them.
fn reduction(blueprint: &mut Blueprint, maps: Maps) -> Maps {
    let channels = 2 * maps.channels;
    let strided = relu_convolution(blueprint, maps, Window::centred(3).strided(), channels);
    let residual = relu_convolution(blueprint, strided, Window::centred(3), channels);
    let pooled = blueprint.average_pool(maps, Window::halving());
    let shortcut = blueprint.convolution(pooled, Window::centred(1), channels);
    blueprint.sum(&[shortcut, residual], (channels, residual.side))
}
