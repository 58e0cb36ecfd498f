//! NAS-Bench-101: a stem, three stacks of modules, channels doubled and the image halved between stacks.

use super::blueprint::{Blueprint, Maps};
use crate::space::{Architecture, Cell, module_channels};
use crate::zero_cost::Size;
use crate::zero_cost::layers::Window;

const N_STACKS: usize = 3;

/// A module without dead nodes.
struct Module {
    cell: Cell,
    /// The name of the operation on each inner node.
    operations: Vec<String>,
    /// Each node as it was written.
    written: Vec<usize>,
}

impl Module {
    fn of(architecture: &Architecture) -> Self {
        let (space, cell) = (architecture.space(), &architecture.cells()[0]);
        let live = space.liveness(&space.cells[0], cell).nodes;
        let stays = |node: &usize| *node == 0 || *node + 1 == cell.n_nodes || live[*node];
        let pruned = space.without_dead_nodes(&space.cells[0], cell);
        let name = |operation: &crate::space::OperationIndex| space.operations[operation.0].name.clone();
        Self {
            operations: pruned.node_operations.iter().map(name).collect(),
            written: (0..cell.n_nodes).filter(stays).collect(),
            cell: pruned,
        }
    }
}

/// All but the classifier.
pub fn stack(blueprint: &mut Blueprint, images: Maps, architecture: &Architecture, size: Size) -> Maps {
    let module = Module::of(architecture);
    let mut channels = size.channels;
    let mut maps = convolution(blueprint, images, 3, channels);
    for stack in 0..N_STACKS {
        if stack > 0 {
            maps = blueprint.max_pool(maps, Window::halving());
            channels *= 2;
        }
        for _ in 0..size.cells_per_stage {
            maps = lay_out(blueprint, maps, &module, channels);
        }
    }
    maps
}

/// Inner nodes sum up what they read, cut to their channels, the module's input projected to them. The output
/// concatenates what it reads, and adds the projected input where it reads that too.
fn lay_out(blueprint: &mut Blueprint, input: Maps, module: &Module, channels_out: usize) -> Maps {
    let output = module.cell.n_nodes - 1;
    let channels = module_channels(&module.cell, channels_out as u64);
    let sources = |node: usize| {
        let into = module.cell.edges.iter().filter(move |edge| edge.target == node);
        into.map(|edge| edge.source).filter(|source| *source > 0)
    };
    let reads_input =
        |node: usize| module.cell.edges.iter().any(|edge| (edge.source, edge.target) == (0, node));
    let mut nodes = vec![input];
    for node in 1..output {
        let channels = channels[node] as usize;
        let mut arriving: Vec<Maps> =
            sources(node).map(|source| blueprint.truncate(nodes[source], channels)).collect();
        if reads_input(node) {
            arriving.push(convolution(blueprint, input, 1, channels));
        }
        let sum = blueprint.sum(&arriving, (channels, input.side));
        let made = blueprint.at_place(module.written[node], |blueprint| {
            operation(blueprint, sum, &module.operations[node - 1])
        });
        nodes.push(made);
    }
    let parts: Vec<Maps> = sources(output).map(|source| nodes[source]).collect();
    let mut terms = Vec::new();
    if !parts.is_empty() {
        terms.push(blueprint.concatenate(&parts));
    }
    if reads_input(output) {
        terms.push(convolution(blueprint, input, 1, channels_out));
    }
    blueprint.sum(&terms, (channels_out, input.side))
}

fn operation(blueprint: &mut Blueprint, maps: Maps, name: &str) -> Maps {
    match name {
        "conv1x1-bn-relu" => convolution(blueprint, maps, 1, maps.channels),
        "conv3x3-bn-relu" => convolution(blueprint, maps, 3, maps.channels),
        "maxpool3x3" => blueprint.max_pool(maps, Window::centred(3)),
        _ => unreachable!("a live node of the skeleton has no {name:?}"),
    }
}

fn convolution(blueprint: &mut Blueprint, maps: Maps, kernel: usize, channels: usize) -> Maps {
    let maps = blueprint.convolution(maps, Window::centred(kernel), channels);
    let maps = blueprint.normalise(maps);
    blueprint.relu(maps)
}
