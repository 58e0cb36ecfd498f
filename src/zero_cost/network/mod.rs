//! The network of an architecture: a list of layers in the order in which they are computed.

mod blueprint;
mod darts;
mod nasbench101;
mod nasbench201;
mod parameters;
mod pass;
#[cfg(test)]
mod tests;

use self::blueprint::Blueprint;
pub use self::parameters::Parameters;
pub use self::pass::Pass;
use crate::space::{self, Architecture, SearchSpace, Skeleton};
use crate::zero_cost::layers::Window;
use crate::zero_cost::{Error, Proxy, Size};

/// Colours of an image.
pub const N_COLOURS: usize = 3;

/// A network as it is built. It knows the shapes of its weights, not their values.
#[derive(Debug)]
pub struct Network {
    layers: Vec<Layer>,
    /// In the order in which they are drawn.
    weights: Vec<Weight>,
    /// Classes it tells apart.
    n_classes: usize,
    /// Channels of all batch normalisations: a scale and a shift each, which are one and zero before any training.
    n_normalised: usize,
}

/// A weight of a convolution or of the classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Channels that it makes.
    pub channels_out: usize,
    /// Numbers that one pixel of a channel is made of.
    pub fan_in: usize,
    /// The place among [`Saliencies`](crate::space::Saliencies) of the operation it belongs to; `None` in stem, head and between cells.
    pub place: Option<usize>,
}

#[derive(Debug)]
struct Layer {
    operation: Operation,
    /// Which layers it reads.
    inputs: Vec<usize>,
}

/// What a layer does. Numbers of weights are positions in [`Network::weights`].
#[derive(Clone, Copy, Debug)]
enum Operation {
    Images,
    /// So many channels of so large maps without anything in them.
    Zeros {
        channels: usize,
        side: usize,
    },
    Relu,
    Convolution {
        weight: usize,
        window: Window,
    },
    /// Of each channel by itself.
    Depthwise {
        weight: usize,
        window: Window,
    },
    Normalise,
    AveragePool(Window),
    MaxPool(Window),
    Sum,
    Concatenate,
    /// The first channels.
    Truncate {
        channels: usize,
    },
    /// Mean over pixels, then a linear layer.
    Classify {
        weight: usize,
    },
}

/// How the cells of a space are stacked, and how high.
enum Stack {
    Nasbench101(Size),
    Nasbench201(Size),
    Darts(Size),
}

impl Stack {
    fn of(space: &SearchSpace, proxy: &Proxy) -> Result<Self, Error> {
        match space.skeleton() {
            // Stacked as those of DARTS; no table says what its networks are.
            _ if *space == *space::enas() => Ok(Self::Darts(proxy.enas)),
            Some(Skeleton::Nasbench101) => Ok(Self::Nasbench101(proxy.nasbench101)),
            Some(Skeleton::Nasbench201) => Ok(Self::Nasbench201(proxy.nasbench201)),
            Some(Skeleton::Nasbench301 | Skeleton::Darts) => Ok(Self::Darts(proxy.darts)),
            None => Err(Error::NoNetwork { space: space.name.clone() }),
        }
    }
}

/// Checks that it is known how cells of a space are stacked.
///
/// # Errors
/// When it is not.
pub fn check_space(space: &SearchSpace, proxy: &Proxy) -> Result<(), Error> {
    Stack::of(space, proxy).map(|_| ())
}

impl Network {
    /// The network of an architecture at the size of a proxy.
    ///
    /// # Errors
    /// When nothing is known of how cells of its space are stacked.
    pub fn of(architecture: &Architecture, proxy: &Proxy) -> Result<Self, Error> {
        let stack = Stack::of(architecture.space(), proxy)?;
        let mut blueprint = Blueprint::new();
        let images = blueprint.images(proxy.image_side);
        let maps = match stack {
            Stack::Nasbench101(size) => nasbench101::stack(&mut blueprint, images, architecture, size),
            Stack::Nasbench201(size) => nasbench201::stack(&mut blueprint, images, architecture, size),
            Stack::Darts(size) => darts::stack(&mut blueprint, images, architecture, size),
        };
        Ok(blueprint.classify(maps, proxy.n_classes))
    }

    /// The shapes of its weights, in the order in which they are drawn.
    pub fn weights(&self) -> &[Weight] {
        &self.weights
    }

    /// Trained numbers, those of batch normalisation and the classifier's bias included.
    pub fn n_parameters(&self) -> usize {
        let of_weights = self.weights.iter().map(|weight| weight.channels_out * weight.fan_in);
        of_weights.sum::<usize>() + 2 * self.n_normalised + self.n_classes
    }
}
