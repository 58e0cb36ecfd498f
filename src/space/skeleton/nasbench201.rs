//! The network of NAS-Bench-201: a stem, three stages of five cells, a residual block that halves
//! the image between stages, global pooling, a classifier.

use super::layer::{Maps, batch_norm, convolution, normalised_convolution};
use super::{Cost, check_operations};
use crate::space::{Architecture, DefinitionError, SearchSpace};

const CELLS_PER_STAGE: u64 = 5;
const N_COLOURS: u64 = 3;
const N_CLASSES: u64 = 10;

const STAGES: [Maps; 3] =
    [Maps { channels: 16, side: 32 }, Maps { channels: 32, side: 16 }, Maps { channels: 64, side: 8 }];

pub(super) fn check_definition(space: &SearchSpace) -> Result<(), DefinitionError> {
    check_operations(space, "nasbench201", |name| operation_cost(name, STAGES[0]).is_some())
}

pub(super) fn cost(architecture: &Architecture) -> Cost {
    let space = architecture.space();
    let operation = |index, stage| {
        operation_cost(&space.operation(index).name, stage).expect("definitions name known operations only")
    };
    let cell = |stage| architecture.operations().map(|index| operation(index, stage)).sum::<Cost>();
    let stages = STAGES.into_iter().map(|stage| cell(stage) * CELLS_PER_STAGE).sum::<Cost>();
    let reductions = STAGES.windows(2).map(|pair| reduction(pair[0], pair[1])).sum::<Cost>();
    stem(STAGES[0]) + stages + reductions + head(STAGES[2])
}

/// An operation between feature maps of one size, `None` for a name the benchmark does not have.
fn operation_cost(name: &str, stage: Maps) -> Option<Cost> {
    match name {
        "none" | "skip_connect" | "avg_pool_3x3" => Some(Cost::default()),
        "nor_conv_1x1" => Some(normalised_convolution(1, stage.channels, stage)),
        "nor_conv_3x3" => Some(normalised_convolution(3, stage.channels, stage)),
        _ => None,
    }
}

fn stem(first: Maps) -> Cost {
    normalised_convolution(3, N_COLOURS, first)
}

/// Two convolutions, the first with stride 2, and a pooled 1x1 convolution beside them.
fn reduction(from: Maps, to: Maps) -> Cost {
    let residual = normalised_convolution(3, from.channels, to) + normalised_convolution(3, to.channels, to);
    residual + convolution(1, from.channels, to)
}

fn head(last: Maps) -> Cost {
    let classifier = (last.channels + 1) * N_CLASSES; // The benchmark counts adding the bias.
    batch_norm(last.channels) + Cost { parameters: classifier, flops: classifier }
}

#[cfg(test)]
mod tests {
    use crate::space::{Cost, nasbench201};

    fn cost(text: &str) -> Cost {
        nasbench201().parse(text).expect("valid").cost().expect("the space names a skeleton")
    }

    /// The skeleton alone, by hand. Stem: 432 + 32 parameters, 432 * 32^2 FLOPs. Reductions:
    /// 4,608 + 64 + 9,216 + 64 + 512 at 16^2 and 18,432 + 128 + 36,864 + 128 + 2,048 at 8^2, the
    /// normalisations without FLOPs. Head: 128 + 650, and 650 FLOPs.
    #[test]
    fn a_cell_of_skips_costs_the_skeleton() {
        let skeleton = Cost { parameters: 464 + 14_464 + 57_600 + 778, flops: 442_368 + 2 * 3_670_016 + 650 };
        for operation in ["none", "skip_connect", "avg_pool_3x3"] {
            let text = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|".replace("op", operation);
            assert_eq!(cost(&text), skeleton);
        }
    }

    /// `0.129306` million parameters and `15.64737` million FLOPs, as NATS-Bench publishes for the
    /// first architecture in its list.
    #[test]
    fn costs_are_those_the_benchmark_publishes() {
        let first =
            "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|";
        assert_eq!(cost(first), Cost { parameters: 129_306, flops: 15_647_370 });
    }

    /// As the tables of NAS-Bench-201 give them, in millions.
    #[test]
    fn parameters_of_3x3_convolutions_are_those_of_the_tables() {
        for (text, parameters) in [
            (
                "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|nor_conv_3x3~1|skip_connect~2|",
                559_386,
            ),
            (
                "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
                1_531_546,
            ),
            (
                "|nor_conv_3x3~0|+|skip_connect~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_1x1~1|none~2|",
                372_346,
            ),
        ] {
            assert_eq!(cost(text).parameters, parameters, "{text}");
        }
    }

    /// A 3x3 convolution has nine times the weights of a 1x1 convolution and as many FLOPs in every
    /// stage: channels double where sides halve.
    #[test]
    fn an_operation_that_nothing_reads_costs_as_much_as_any_other() {
        let skips = cost("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|skip_connect~2|");
        let dead = cost("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|skip_connect~2|");
        assert_eq!(dead.parameters - skips.parameters, 5 * (9 * (256 + 1_024 + 4_096) + 2 * (16 + 32 + 64)));
        assert_eq!(dead.flops - skips.flops, 5 * 3 * 9 * 16 * 16 * 32 * 32);
    }
}
