//! A network while it is being laid out.

use super::{Layer, N_COLOURS, Network, Operation, Weight};
use crate::zero_cost::layers::Window;

/// Layers and weights laid out so far.
pub struct Blueprint {
    layers: Vec<Layer>,
    weights: Vec<Weight>,
    n_normalised: usize,
    place: Option<usize>,
}

/// What a layer makes.
#[derive(Clone, Copy, Debug)]
pub struct Maps {
    layer: usize,
    pub channels: usize,
    /// Height and width.
    pub side: usize,
}

impl Blueprint {
    pub fn new() -> Self {
        Self { layers: Vec::new(), weights: Vec::new(), n_normalised: 0, place: None }
    }

    /// Lays out the operation at a place: weights drawn by `lay_out` belong to it.
    pub fn at_place(&mut self, place: usize, lay_out: impl FnOnce(&mut Self) -> Maps) -> Maps {
        self.place = Some(place);
        let maps = lay_out(self);
        self.place = None;
        maps
    }

    fn layer(&mut self, operation: Operation, inputs: &[Maps], (channels, side): (usize, usize)) -> Maps {
        self.layers.push(Layer { operation, inputs: inputs.iter().map(|maps| maps.layer).collect() });
        Maps { layer: self.layers.len() - 1, channels, side }
    }

    fn weight(&mut self, channels_out: usize, fan_in: usize) -> usize {
        self.weights.push(Weight { channels_out, fan_in, place: self.place });
        self.weights.len() - 1
    }

    pub fn images(&mut self, side: usize) -> Maps {
        self.layer(Operation::Images, &[], (N_COLOURS, side))
    }

    pub fn relu(&mut self, maps: Maps) -> Maps {
        self.layer(Operation::Relu, &[maps], (maps.channels, maps.side))
    }

    /// Without a bias.
    pub fn convolution(&mut self, maps: Maps, window: Window, channels: usize) -> Maps {
        let weight = self.weight(channels, maps.channels * window.n_taps());
        let sizes = (channels, window.side_out(maps.side));
        self.layer(Operation::Convolution { weight, window }, &[maps], sizes)
    }

    /// A convolution of each channel by itself, without a bias.
    pub fn depthwise(&mut self, maps: Maps, window: Window) -> Maps {
        let weight = self.weight(maps.channels, window.n_taps());
        let sizes = (maps.channels, window.side_out(maps.side));
        self.layer(Operation::Depthwise { weight, window }, &[maps], sizes)
    }

    pub fn normalise(&mut self, maps: Maps) -> Maps {
        self.n_normalised += maps.channels;
        self.layer(Operation::Normalise, &[maps], (maps.channels, maps.side))
    }

    pub fn average_pool(&mut self, maps: Maps, window: Window) -> Maps {
        self.layer(Operation::AveragePool(window), &[maps], (maps.channels, window.side_out(maps.side)))
    }

    pub fn max_pool(&mut self, maps: Maps, window: Window) -> Maps {
        self.layer(Operation::MaxPool(window), &[maps], (maps.channels, window.side_out(maps.side)))
    }

    /// The sum of maps of one size, zeros of that size where there are none.
    pub fn sum(&mut self, terms: &[Maps], (channels, side): (usize, usize)) -> Maps {
        match terms {
            [] => self.layer(Operation::Zeros { channels, side }, &[], (channels, side)),
            [maps] => *maps,
            terms => self.layer(Operation::Sum, terms, (channels, side)),
        }
    }

    /// The channels of all maps, one after the other.
    ///
    /// # Panics
    /// When there are no maps.
    pub fn concatenate(&mut self, parts: &[Maps]) -> Maps {
        let [first, rest @ ..] = parts else { panic!("there are maps to concatenate") };
        if rest.is_empty() {
            return *first;
        }
        let channels = parts.iter().map(|maps| maps.channels).sum();
        self.layer(Operation::Concatenate, parts, (channels, first.side))
    }

    /// The first so many channels.
    pub fn truncate(&mut self, maps: Maps, channels: usize) -> Maps {
        if maps.channels == channels {
            return maps;
        }
        self.layer(Operation::Truncate { channels }, &[maps], (channels, maps.side))
    }

    /// Ends with a classifier.
    pub fn classify(mut self, maps: Maps, n_classes: usize) -> Network {
        let weight = self.weight(n_classes, maps.channels);
        self.layer(Operation::Classify { weight }, &[maps], (n_classes, 1));
        Network { layers: self.layers, weights: self.weights, n_classes, n_normalised: self.n_normalised }
    }
}
