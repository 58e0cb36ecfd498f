//! DARTS: a stem, three stages of normal cells, a reduction cell between stages. Each cell reads the two before it,
//! brought to its own channels first.

use super::blueprint::{Blueprint, Maps};
use crate::space::Architecture;
use crate::zero_cost::Size;
use crate::zero_cost::layers::Window;

const N_STAGES: usize = 3;
/// The stem makes so many times the channels of the first cells.
const STEM_MULTIPLIER: usize = 3;
const N_INPUTS: usize = 2;

/// All but the classifier.
pub fn stack(blueprint: &mut Blueprint, images: Maps, architecture: &Architecture, size: Size) -> Maps {
    let stem = blueprint.convolution(images, Window::centred(3), STEM_MULTIPLIER * size.channels);
    let stem = blueprint.normalise(stem);
    let (mut before_last, mut last) = (stem, stem);
    let mut channels = size.channels;
    for stage in 0..N_STAGES {
        if stage > 0 {
            channels *= 2;
            (before_last, last) = (last, cell(blueprint, [before_last, last], architecture, 1, channels));
        }
        for _ in 0..size.cells_per_stage {
            (before_last, last) = (last, cell(blueprint, [before_last, last], architecture, 0, channels));
        }
    }
    last
}

/// A cell of the architecture: nodes sum up what arrives, the output concatenates what it reads.
fn cell(
    blueprint: &mut Blueprint,
    [before_last, last]: [Maps; N_INPUTS],
    architecture: &Architecture,
    index: usize,
    channels: usize,
) -> Maps {
    let space = architecture.space();
    let (cell, reduces) = (&architecture.cells()[index], space.cells[index].reduces);
    let first_place: usize =
        architecture.cells()[..index].iter().map(|cell| cell.n_places(space.placement)).sum();
    let side = if reduces { last.side / 2 } else { last.side };
    let adapted = if before_last.side == last.side {
        pointwise(blueprint, before_last, channels)
    } else {
        factorised_reduction(blueprint, before_last, channels)
    };
    let mut nodes = vec![adapted, pointwise(blueprint, last, channels)];
    for node in N_INPUTS..cell.n_nodes - 1 {
        let mut arriving = Vec::new();
        for (edge_index, edge) in cell.edges.iter().enumerate().filter(|(_, edge)| edge.target == node) {
            let name = space.operation_of(edge);
            let is_strided = reduces && edge.source < N_INPUTS;
            let input = nodes[edge.source];
            if name != "none" {
                arriving.push(blueprint.at_place(first_place + edge_index, |blueprint| {
                    operation(blueprint, input, name, is_strided)
                }));
            }
        }
        nodes.push(blueprint.sum(&arriving, (channels, side)));
    }
    let is_read = |edge: &&crate::space::Edge| edge.target + 1 == cell.n_nodes;
    let parts: Vec<Maps> = cell.edges.iter().filter(is_read).map(|edge| nodes[edge.source]).collect();
    blueprint.concatenate(&parts)
}

fn operation(blueprint: &mut Blueprint, maps: Maps, name: &str, is_strided: bool) -> Maps {
    let place = |window: Window| if is_strided { window.strided() } else { window };
    match name {
        "skip_connect" if is_strided => factorised_reduction(blueprint, maps, maps.channels),
        "skip_connect" => maps,
        "max_pool_3x3" => blueprint.max_pool(maps, place(Window::centred(3))),
        "avg_pool_3x3" => blueprint.average_pool(maps, place(Window::centred(3))),
        "sep_conv_3x3" | "sep_conv_5x5" => {
            let window = Window::centred(if name == "sep_conv_3x3" { 3 } else { 5 });
            let maps = separable(blueprint, maps, place(window));
            separable(blueprint, maps, window)
        }
        "dil_conv_3x3" => separable(blueprint, maps, place(Window::dilated(3, 2))),
        "dil_conv_5x5" => separable(blueprint, maps, place(Window::dilated(5, 2))),
        _ => unreachable!("the skeleton has no {name:?}, so its definition was refused"),
    }
}

/// Depthwise, then pointwise.
fn separable(blueprint: &mut Blueprint, maps: Maps, window: Window) -> Maps {
    let maps = blueprint.relu(maps);
    let maps = blueprint.depthwise(maps, window);
    let maps = blueprint.convolution(maps, Window::centred(1), maps.channels);
    blueprint.normalise(maps)
}

fn pointwise(blueprint: &mut Blueprint, maps: Maps, channels: usize) -> Maps {
    let maps = blueprint.relu(maps);
    let maps = blueprint.convolution(maps, Window::centred(1), channels);
    blueprint.normalise(maps)
}

/// Two 1x1 convolutions with stride 2, half of the channels each, one of them of the image without its first row and
/// column.
fn factorised_reduction(blueprint: &mut Blueprint, maps: Maps, channels: usize) -> Maps {
    let maps = blueprint.relu(maps);
    let window = Window::centred(1).strided();
    let halves = [window, window.shifted()].map(|window| blueprint.convolution(maps, window, channels / 2));
    let maps = blueprint.concatenate(&halves);
    blueprint.normalise(maps)
}
