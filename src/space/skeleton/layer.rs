//! What single layers cost.

use super::Cost;

/// Feature maps that a layer makes or takes.
#[derive(Clone, Copy)]
pub(super) struct Maps {
    pub(super) channels: u64,
    /// Height and width.
    pub(super) side: u64,
}

impl Maps {
    fn n_pixels(self) -> u64 {
        self.side * self.side
    }
}

/// Without a bias.
pub(super) fn convolution(kernel: u64, channels_in: u64, output: Maps) -> Cost {
    let parameters = kernel * kernel * channels_in * output.channels;
    Cost { parameters, flops: parameters * output.n_pixels() }
}

/// A convolution of each channel by itself, without a bias.
pub(super) fn depthwise_convolution(kernel: u64, output: Maps) -> Cost {
    convolution(kernel, 1, output)
}

/// A convolution and the normalisation of what it makes.
pub(super) fn normalised_convolution(kernel: u64, channels_in: u64, output: Maps) -> Cost {
    convolution(kernel, channels_in, output) + batch_norm(output.channels)
}

/// Scale and shift of each channel.
pub(super) fn batch_norm(channels: u64) -> Cost {
    Cost { parameters: 2 * channels, flops: 0 }
}

/// A linear layer after global pooling. Adding the bias is not among its FLOPs.
pub(super) fn classifier(channels: u64, n_classes: u64) -> Cost {
    Cost { parameters: (channels + 1) * n_classes, flops: channels * n_classes }
}
