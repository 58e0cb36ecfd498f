//! The networks of DARTS for CIFAR-10: a stem, normal cells with a reduction cell after each third, global
//! pooling, a classifier; without the auxiliary classifier, which only training has.
//!
//! A cell brings the outputs of the two cells before it to its own channels first. FLOPs of a strided
//! convolution are counted by the pixels it takes, divided by the square of the stride: so the tables do,
//! and it makes a difference for the half of a strided skip that is shifted by one pixel.

use super::layer::{
    Maps, batch_norm, classifier, convolution, depthwise_convolution, normalised_convolution,
};
use super::{Cost, check_operations};
use crate::space::{Architecture, Cell, DefinitionError, Join, Placement, SearchSpace, Wiring};

const N_COLOURS: u64 = 3;
const N_CLASSES: u64 = 10;
const IMAGE_SIDE: u64 = 32;
/// The stem makes so many times the channels of the first cells.
const STEM_MULTIPLIER: u64 = 3;

/// How large a network is.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) n_layers: u64,
    /// Channels of the first cells' nodes.
    pub(super) channels: u64,
}

pub(super) fn check_definition(space: &SearchSpace, skeleton: &str) -> Result<(), DefinitionError> {
    let has_cells = space.placement == Placement::Edge
        && space.output == Join::Concatenation
        && matches!(space.wiring, Wiring::PerNode(_))
        && space.cells.iter().map(|cell| (cell.n_inputs, cell.reduces)).eq([(2, false), (2, true)]);
    if !has_cells {
        let reason = format!(
            "{skeleton} has a normal and a reducing cell with two inputs, operations on so many edges per node, \
             the output a concatenation"
        );
        return Err(DefinitionError::new("skeleton", reason));
    }
    check_operations(space, skeleton, |name| {
        operation_cost(name, Maps { channels: 2, side: IMAGE_SIDE }, false).is_some()
    })
}

pub(super) fn cost(architecture: &Architecture, size: Size) -> Cost {
    let stem = Maps { channels: STEM_MULTIPLIER * size.channels, side: IMAGE_SIDE };
    let mut cost = normalised_convolution(3, N_COLOURS, stem);
    let (mut before_last, mut last) = (stem, stem);
    let mut channels = size.channels;
    for layer in 0..size.n_layers {
        let reduces = layer == size.n_layers / 3 || layer == 2 * size.n_layers / 3;
        channels *= if reduces { 2 } else { 1 };
        let input = Maps { channels, side: last.side };
        let output = Maps { channels, side: if reduces { last.side / 2 } else { last.side } };
        let cell = &architecture.cells()[usize::from(reduces)];
        cost = cost + adapter(before_last, input) + adapter(last, input);
        cost = cost + cell_cost(architecture.space(), cell, output, reduces);
        (before_last, last) = (last, Maps { channels: n_parts(cell) * channels, ..output });
    }
    cost + classifier(last.channels, N_CLASSES)
}

/// What brings the output of an earlier cell to the channels and side of this one.
fn adapter(from: Maps, to: Maps) -> Cost {
    if from.side == to.side {
        normalised_convolution(1, from.channels, to)
    } else {
        factorised_reduction(from.channels, to)
    }
}

/// Nodes that the output concatenates.
fn n_parts(cell: &Cell) -> u64 {
    cell.edges.iter().filter(|edge| edge.target + 1 == cell.n_nodes).count() as u64
}

/// The operations between inputs and inner nodes; edges into the output are no layers.
fn cell_cost(space: &SearchSpace, cell: &Cell, output: Maps, reduces: bool) -> Cost {
    let n_inputs = 2;
    let chosen = cell.edges.iter().filter(|edge| edge.target + 1 < cell.n_nodes);
    let costs = chosen.map(|edge| {
        let operation =
            space.operation(edge.operation.expect("the skeleton is for spaces with operations on edges"));
        operation_cost(&operation.name, output, reduces && edge.source < n_inputs)
            .expect("definitions name known operations only")
    });
    costs.sum()
}

/// `None` for a name that DARTS does not have.
fn operation_cost(name: &str, output: Maps, is_strided: bool) -> Option<Cost> {
    match name {
        "skip_connect" if is_strided => Some(factorised_reduction(output.channels, output)),
        "none" | "skip_connect" | "max_pool_3x3" | "avg_pool_3x3" => Some(Cost::default()),
        "sep_conv_3x3" => Some(separable_convolution(3, output) * 2),
        "sep_conv_5x5" => Some(separable_convolution(5, output) * 2),
        "dil_conv_3x3" => Some(separable_convolution(3, output)),
        "dil_conv_5x5" => Some(separable_convolution(5, output)),
        _ => None,
    }
}

/// Depthwise, maybe dilated, then pointwise.
fn separable_convolution(kernel: u64, output: Maps) -> Cost {
    depthwise_convolution(kernel, output) + normalised_convolution(1, output.channels, output)
}

/// Two 1x1 convolutions with stride 2, half of the channels each, one of them of the image without its first
/// row and column.
fn factorised_reduction(channels_in: u64, output: Maps) -> Cost {
    let half = Maps { channels: output.channels / 2, ..output };
    let Cost { parameters, flops } = convolution(1, channels_in, half);
    let taken = 2 * output.side - 1;
    let shifted = Cost { parameters, flops: parameters * taken * taken / 4 };
    Cost { parameters, flops } + shifted + batch_norm(output.channels)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::space::{Cost, SearchSpace, darts, enas};

    const DEFINITION: &str = include_str!("../registry/darts.toml");

    fn cost(space: &Arc<SearchSpace>, text: &str) -> Cost {
        space.parse(text).expect("valid").cost().expect("the space names a skeleton")
    }

    /// From a table of NAS-Bench-301.
    #[test]
    fn costs_are_those_of_the_tables() {
        let rows = [
            (
                "Genotype(normal=[('avg_pool_3x3',0),('sep_conv_3x3',1),('max_pool_3x3',0),('avg_pool_3x3',1),('sep_conv_5x5',0),('dil_conv_5x5',2),('dil_conv_3x3',2),('sep_conv_3x3',3)],normal_concat=[2,3,4,5], \
                 reduce=[('dil_conv_3x3',0),('dil_conv_3x3',1),('avg_pool_3x3',1),('max_pool_3x3',2),('avg_pool_3x3',0),('dil_conv_5x5',3),('sep_conv_5x5',0),('dil_conv_5x5',4)],reduce_concat=[2,3,4,5])",
                Cost { parameters: 1_182_790, flops: 44_478_208 },
            ),
            (
                "Genotype(normal=[('max_pool_3x3',0),('dil_conv_3x3',1),('dil_conv_5x5',0),('sep_conv_5x5',1),('skip_connect',2),('skip_connect',3),('avg_pool_3x3',0),('max_pool_3x3',4)],normal_concat=[2,3,4,5], \
                 reduce=[('dil_conv_3x3',0),('skip_connect',1),('sep_conv_5x5',1),('skip_connect',2),('avg_pool_3x3',0),('max_pool_3x3',2),('dil_conv_3x3',1),('dil_conv_5x5',4)],reduce_concat=[2,3,4,5])",
                Cost { parameters: 937_486, flops: 35_791_232 },
            ),
            (
                "Genotype(normal=[('skip_connect',0),('skip_connect',1),('skip_connect',1),('dil_conv_3x3',2),('max_pool_3x3',0),('avg_pool_3x3',3),('skip_connect',0),('skip_connect',2)],normal_concat=[2,3,4,5], \
                 reduce=[('skip_connect',0),('skip_connect',1),('skip_connect',1),('dil_conv_3x3',2),('max_pool_3x3',0),('avg_pool_3x3',3),('skip_connect',0),('skip_connect',2)],reduce_concat=[2,3,4,5])",
                Cost { parameters: 688_870, flops: 25_143_552 },
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(cost(&darts(), text), expected, "{text}");
        }
    }

    /// From a table of DARTS networks at full size, in which `none` occurs.
    #[test]
    fn parameters_at_full_size_are_those_of_the_tables() {
        let definition = DEFINITION.replace("\"nasbench301\"", "\"darts\"");
        let space = Arc::new(toml::from_str(&definition).expect("sound"));
        let rows = [
            (
                "Genotype(normal=[('sep_conv_5x5',1),('max_pool_3x3',0),('sep_conv_5x5',1),('dil_conv_5x5',0),('dil_conv_3x3',0),('sep_conv_3x3',3),('max_pool_3x3',1),('dil_conv_3x3',4)],normal_concat=[2,3,4,5], \
                 reduce=[('dil_conv_5x5',1),('skip_connect',0),('avg_pool_3x3',0),('avg_pool_3x3',2),('dil_conv_3x3',0),('none',2),('sep_conv_3x3',1),('sep_conv_5x5',2)],reduce_concat=[2,3,4,5])",
                3_316_942,
            ),
            (
                "Genotype(normal=[('max_pool_3x3',0),('sep_conv_5x5',1),('sep_conv_5x5',0),('dil_conv_5x5',2),('avg_pool_3x3',2),('dil_conv_3x3',1),('dil_conv_3x3',2),('none',0)],normal_concat=[2,3,4,5], \
                 reduce=[('dil_conv_3x3',0),('none',1),('sep_conv_5x5',2),('avg_pool_3x3',0),('skip_connect',0),('dil_conv_3x3',1),('dil_conv_5x5',0),('sep_conv_5x5',3)],reduce_concat=[2,3,4,5])",
                2_992_294,
            ),
        ];
        for (text, parameters) in rows {
            assert_eq!(cost(&space, text).parameters, parameters, "{text}");
        }
    }

    /// Added up by hand, for no published table has such networks. Nodes that all read an input end loose; of nodes that
    /// each read the one before, only the last does.
    #[test]
    fn the_loose_ends_of_an_enas_cell_are_the_channels_of_the_next() {
        let parameters = |sources: [usize; 5], operations: [&str; 2], ends: &str| {
            let steps: Vec<String> = sources
                .iter()
                .flat_map(|source| operations.map(|operation| format!("('{operation}', {source})")))
                .collect();
            let steps = steps.join(", ");
            let text = format!(
                "Genotype(normal=[{steps}], normal_concat={ends}, reduce=[{steps}], reduce_concat={ends})"
            );
            cost(&enas(), &text).parameters
        };
        let pools = ["max_pool_3x3", "avg_pool_3x3"];
        assert_eq!(parameters([0; 5], pools, "[2, 3, 4, 5, 6]"), 1_707_238);
        assert_eq!(parameters([1, 2, 3, 4, 5], pools, "[6]"), 358_822);
        let one_convolution = ["sep_conv_3x3", "none"];
        assert_eq!(parameters([1, 2, 3, 4, 5], one_convolution, "[6]"), 2_441_062);
    }

    #[test]
    fn a_definition_of_other_cells_or_operations_is_refused() {
        let refusal = |from: &str, to: &str| {
            assert!(DEFINITION.contains(from), "the definition has {from:?}");
            let refused = toml::from_str::<SearchSpace>(&DEFINITION.replace(from, to));
            refused.expect_err("unsound").message().to_owned()
        };
        assert_eq!(
            refusal("avg_pool_3x3", "avg_pool_5x5"),
            "operations[6].name: the skeleton nasbench301 has no \"avg_pool_5x5\""
        );
        let cells = "skeleton: nasbench301 has a normal and a reducing cell with two inputs, operations on so many \
                     edges per node, the output a concatenation";
        assert_eq!(refusal("reduces = true", "reduces = false"), cells);
        assert_eq!(refusal("output = \"concatenation\"", "output = \"sum\""), cells);
    }
}
