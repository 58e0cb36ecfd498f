//! The network of NAS-Bench-101: a stem, three stacks of three modules, channels doubled and the image
//! halved between stacks, global pooling, a classifier.
//!
//! The output of a module concatenates what it reads, so that inner nodes share its channels; each node but
//! the output has as many channels as those that read it take, and projects the module's input to them.

use super::layer::{Maps, classifier, normalised_convolution};
use super::{Cost, check_operations};
use crate::space::{Architecture, Cell, DeadNodes, DefinitionError, Join, Placement, SearchSpace};

const MODULES_PER_STACK: usize = 3;
const N_COLOURS: u64 = 3;
const N_CLASSES: u64 = 10;

const STACKS: [Maps; 3] =
    [Maps { channels: 128, side: 32 }, Maps { channels: 256, side: 16 }, Maps { channels: 512, side: 8 }];

pub(super) fn check_definition(space: &SearchSpace) -> Result<(), DefinitionError> {
    let has_modules = space.placement == Placement::Node
        && space.output == Join::Concatenation
        && space.dead_nodes == DeadNodes::Pruned
        && matches!(space.cells.as_slice(), [cell] if cell.n_inputs == 1);
    if !has_modules {
        let reason = "nasbench101 has one cell with one input, operations on nodes, dead ones pruned, the output \
                      a concatenation";
        return Err(DefinitionError::new("skeleton", reason));
    }
    check_operations(space, "nasbench101", |name| operation_cost(name, STACKS[0]).is_some())
}

pub(super) fn cost(architecture: &Architecture) -> Cost {
    let space = architecture.space();
    let module = space.without_dead_nodes(&space.cells[0], &architecture.cells()[0]);
    let [first, .., last] = STACKS;
    let mut cost = normalised_convolution(3, N_COLOURS, first) + head(last);
    let mut channels_in = first.channels;
    for output in STACKS.iter().flat_map(|stack| [*stack; MODULES_PER_STACK]) {
        cost = cost + module_cost(space, &module, channels_in, output);
        channels_in = output.channels;
    }
    cost
}

fn module_cost(space: &SearchSpace, module: &Cell, channels_in: u64, output: Maps) -> Cost {
    let channels = module_channels(module, output.channels);
    let maps = |node: usize| Maps { channels: channels[node], ..output };
    let operations = module.node_operations.iter().enumerate().map(|(index, operation)| {
        operation_cost(&space.operation(*operation).name, maps(index + 1))
            .expect("definitions name known operations only")
    });
    let projections = (module.edges.iter().filter(|edge| edge.source == 0))
        .map(|edge| normalised_convolution(1, channels_in, maps(edge.target)));
    operations.chain(projections).sum()
}

/// The channels of each node of a module without dead ones. Where those of the output cannot be shared out
/// evenly the first nodes it reads have one more. The input's are not asked for.
#[must_use]
pub fn module_channels(module: &Cell, channels_out: u64) -> Vec<u64> {
    let output = module.n_nodes - 1;
    let readers = |node: usize| module.edges.iter().filter(move |edge| edge.source == node);
    let parts: Vec<usize> =
        (1..output).filter(|node| readers(*node).any(|edge| edge.target == output)).collect();
    let mut channels = vec![0; module.n_nodes];
    channels[output] = channels_out;
    for (place, &node) in parts.iter().enumerate() {
        let (share, rest) = (channels_out / parts.len() as u64, channels_out % parts.len() as u64);
        channels[node] = share + u64::from((place as u64) < rest);
    }
    for node in (1..output).rev().filter(|node| !parts.contains(node)) {
        channels[node] = readers(node).map(|edge| channels[edge.target]).max().unwrap_or_default();
    }
    channels
}

/// An operation between feature maps of one size, `None` for a name the benchmark does not have.
fn operation_cost(name: &str, maps: Maps) -> Option<Cost> {
    match name {
        "none" | "maxpool3x3" => Some(Cost::default()),
        "conv1x1-bn-relu" => Some(normalised_convolution(1, maps.channels, maps)),
        "conv3x3-bn-relu" => Some(normalised_convolution(3, maps.channels, maps)),
        _ => None,
    }
}

fn head(last: Maps) -> Cost {
    classifier(last.channels, N_CLASSES)
}

#[cfg(test)]
mod tests {
    use crate::space::{Cost, SearchSpace, nasbench101};

    fn cost(text: &str) -> Cost {
        nasbench101().parse(text).expect("valid").cost().expect("the space names a skeleton")
    }

    /// Modules of every size; in the sixth 128 channels are shared by three.
    #[test]
    fn parameters_are_those_the_benchmark_publishes() {
        let rows = [
            (
                r#"{"module_adjacency":[[0,1],[0,0]],
                 "module_operations":["input","output"]}"#,
                882_570,
            ),
            (
                r#"{"module_adjacency":[[0,1,1],[0,0,1],[0,0,0]],
                 "module_operations":["input","conv1x1-bn-relu","output"]}"#,
                2_793_866,
            ),
            (
                r#"{"module_adjacency":[[0,1,0,1],[0,0,1,1],[0,0,0,1],[0,0,0,0]],
                 "module_operations":["input","maxpool3x3","conv3x3-bn-relu","output"]}"#,
                3_644_554,
            ),
            (
                r#"{"module_adjacency":[[0,1,1,0,1],[0,0,1,0,0],[0,0,0,1,0],[0,0,0,0,1],[0,0,0,0,0]],
                 "module_operations":["input","conv1x1-bn-relu","conv1x1-bn-relu","conv3x3-bn-relu","output"]}"#,
                14_000_266,
            ),
            (
                r#"{"module_adjacency":[[0,1,0,1,0,1],[0,0,1,0,0,1],[0,0,0,1,0,0],[0,0,0,0,1,0],[0,0,0,0,0,1],[0,0,0,0,0,0]],
                 "module_operations":["input","maxpool3x3","maxpool3x3","maxpool3x3","conv3x3-bn-relu","output"]}"#,
                4_081_418,
            ),
            (
                r#"{"module_adjacency":[[0,1,0,0,0,0,0],[0,0,1,0,1,0,0],[0,0,0,1,0,1,0],[0,0,0,0,1,0,1],[0,0,0,0,0,0,1],[0,0,0,0,0,0,1],[0,0,0,0,0,0,0]],
                 "module_operations":["input","maxpool3x3","maxpool3x3","conv3x3-bn-relu","maxpool3x3","conv1x1-bn-relu","output"]}"#,
                1_457_445,
            ),
            (
                r#"{"module_adjacency":[[0,1,0,0,0,0,1],[0,0,1,0,0,0,0],[0,0,0,1,1,1,0],[0,0,0,0,1,0,0],[0,0,0,0,0,1,0],[0,0,0,0,0,0,1],[0,0,0,0,0,0,0]],
                 "module_operations":["input","conv3x3-bn-relu","conv3x3-bn-relu","conv1x1-bn-relu","maxpool3x3","maxpool3x3","output"]}"#,
                21_384_074,
            ),
            (
                r#"{"module_adjacency":[[0,1,1,0,0,0,1],[0,0,0,1,0,0,0],[0,0,0,0,0,1,0],[0,0,0,0,1,0,0],[0,0,0,0,0,1,1],[0,0,0,0,0,0,1],[0,0,0,0,0,0,0]],
                 "module_operations":["input","maxpool3x3","conv3x3-bn-relu","conv1x1-bn-relu","maxpool3x3","conv3x3-bn-relu","output"]}"#,
                6_667_274,
            ),
        ];
        for (text, parameters) in rows {
            assert_eq!(cost(text).parameters, parameters, "{text}");
        }
    }

    /// By hand: the stem, nine projections from the input, of which three widen it, and the classifier.
    #[test]
    fn flops_are_those_of_convolutions_and_classifier() {
        let text = r#"{"module_adjacency":[[0,1],[0,0]],"module_operations":["input","output"]}"#;
        let stacks =
            3 * 128 * 128 * 32 * 32 + (128 + 2 * 256) * 256 * 16 * 16 + (256 + 2 * 512) * 512 * 8 * 8;
        assert_eq!(cost(text).flops, 27 * 128 * 32 * 32 + stacks + 5_120);
    }

    #[test]
    fn dead_nodes_cost_nothing() {
        let dead = r#"{"module_adjacency":[[0,1,1],[0,0,0],[0,0,0]],"module_operations":["input","conv3x3-bn-relu","output"]}"#;
        let alone = r#"{"module_adjacency":[[0,1],[0,0]],"module_operations":["input","output"]}"#;
        assert_eq!(cost(dead), cost(alone));
    }

    #[test]
    fn a_definition_of_other_modules_is_refused() {
        let definition = include_str!("../registry/nasbench101.toml").replace("\"pruned\"", "\"kept\"");
        let refused = toml::from_str::<SearchSpace>(&definition).expect_err("unsound");
        assert_eq!(
            refused.message(),
            "skeleton: nasbench101 has one cell with one input, operations on nodes, dead ones pruned, the output a \
             concatenation"
        );
    }
}
