//! The networks cells are stacked into, as far as parameters and FLOPs need them: no tensors.

mod nasbench201;

use std::iter::Sum;
use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

use crate::space::{Architecture, DefinitionError, SearchSpace};

/// What the network of an architecture takes, every written operation counted: a benchmark builds
/// operations that nothing reads, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Trained numbers, those of batch normalisation and classifier included.
    pub parameters: u64,
    /// Multiply-adds of convolutions and classifier for one image, as the benchmarks count them:
    /// nothing for normalisation, activations, poolings and sums.
    pub flops: u64,
}

/// A network that is known by code. A definition names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::space) enum Skeleton {
    /// Fifteen cells in three stages, for 32x32 images of ten classes.
    Nasbench201,
}

impl Skeleton {
    /// Whether the cost of every operation of the space is known.
    pub(in crate::space) fn check_definition(self, space: &SearchSpace) -> Result<(), DefinitionError> {
        match self {
            Self::Nasbench201 => nasbench201::check_definition(space),
        }
    }
}

impl Architecture {
    /// Parameters and FLOPs of the benchmark's network for CIFAR-10, `None` where the space names no
    /// skeleton.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        self.space().skeleton.map(|skeleton| match skeleton {
            Skeleton::Nasbench201 => nasbench201::cost(self),
        })
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
