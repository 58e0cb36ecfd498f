//! The networks cells are stacked into, as far as parameters and FLOPs need them: no tensors.

mod darts;
mod layer;
mod nasbench101;
mod nasbench201;

use std::iter::Sum;
use std::ops::{Add, Mul};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::nasbench101::module_channels;
use crate::space::{Architecture, Cell, CellShape, DefinitionError, SearchSpace};

/// What the network of an architecture takes. Where a space keeps dead nodes every written operation is
/// counted: a benchmark builds operations that nothing reads, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Trained numbers, those of batch normalisation and classifier included.
    pub parameters: u64,
    /// Multiply-adds of convolutions and classifier for one image, as the benchmark counts them:
    /// nothing for normalisation, activations, poolings and sums. See [`Architecture::cost`].
    pub flops: u64,
}

/// A network for 32x32 images of ten classes that is known by code. A definition names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skeleton {
    /// Nine modules in three stacks, the first of 128 channels.
    Nasbench101,
    /// Fifteen cells in three stages, the first of 16 channels.
    Nasbench201,
    /// DARTS as the tables of NAS-Bench-301 count it: eight cells, parameters for 36 channels, FLOPs for 16.
    Nasbench301,
    /// DARTS as it is trained at full size: twenty cells, the first of 36 channels. ENAS's cells are stacked so too.
    Darts,
}

impl Skeleton {
    /// Whether the cost of every operation of the space is known.
    pub(in crate::space) fn check_definition(self, space: &SearchSpace) -> Result<(), DefinitionError> {
        match self {
            Self::Nasbench101 => nasbench101::check_definition(space),
            Self::Nasbench201 => nasbench201::check_definition(space),
            Self::Nasbench301 => darts::check_definition(space, "nasbench301"),
            Self::Darts => darts::check_definition(space, "darts"),
        }
    }
}

impl SearchSpace {
    /// The network that cells of the space are stacked into, where one is known.
    #[must_use]
    pub fn skeleton(&self) -> Option<Skeleton> {
        self.skeleton
    }
}

impl Architecture {
    /// Parameters and FLOPs of the benchmark's network for CIFAR-10, `None` where the space names no
    /// skeleton.
    ///
    /// For NAS-Bench-301 both are what its tables say, although those are of two networks of eight cells:
    /// the parameters of one that begins with 36 channels, the FLOPs of one with 16.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        self.space().skeleton.map(|skeleton| match skeleton {
            Skeleton::Nasbench101 => nasbench101::cost(self),
            Skeleton::Nasbench201 => nasbench201::cost(self),
            Skeleton::Nasbench301 => {
                let of = |channels| darts::cost(self, darts::Size { n_layers: 8, channels });
                Cost { parameters: of(36).parameters, flops: of(16).flops }
            }
            Skeleton::Darts => darts::cost(self, darts::Size { n_layers: 20, channels: 36 }),
        })
    }
}

impl Architecture {
    /// As [`Self::cost`], without operations that have no path from an input to the output: what the network's output
    /// depends on. All members of a class cost the same then, but for the strided skips of DARTS.
    #[must_use]
    pub fn live_cost(&self) -> Option<Cost> {
        let space = self.space();
        let Some(nothing) = space.first_none() else { return self.cost() };
        let live = |(shape, cell): (&CellShape, &Cell)| {
            let is_live = space.liveness(shape, cell).edges;
            let mut cell = cell.clone();
            for (edge, is_live) in cell.edges.iter_mut().zip(is_live) {
                edge.operation = edge.operation.map(|operation| if is_live { operation } else { nothing });
            }
            cell
        };
        let cells = space.cells.iter().zip(self.cells()).map(live).collect();
        Self::from_valid(Arc::clone(space), cells, "").cost()
    }
}

/// Refuses a space with an operation that a skeleton does not know.
fn check_operations(
    space: &SearchSpace,
    skeleton: &str,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), DefinitionError> {
    match space.operations.iter().position(|operation| !is_known(&operation.name)) {
        None => Ok(()),
        Some(index) => {
            let reason = format!("the skeleton {skeleton} has no {:?}", space.operations[index].name);
            Err(DefinitionError::new(format!("operations[{index}].name"), reason))
        }
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { parameters: self.parameters + other.parameters, flops: self.flops + other.flops }
    }
}

impl Mul<u64> for Cost {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { parameters: self.parameters * times, flops: self.flops * times }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Self::add)
    }
}
