//! The layers of networks of images on candle, each one operation with a gradient of its own: candle's poolings
//! cannot be differentiated as networks use them, and its convolutions of single channels are slow.
//!
//! Feature maps lie channels first, `[channels, images, side, side]`: a convolution is one product of matrices
//! then, and what is normalised together lies together.

mod arrays;
mod composed;
mod convolution;
mod depthwise;
mod kinks;
mod normalisation;
mod pooling;
#[cfg(test)]
mod tests;
mod window;

pub use convolution::convolution;
pub use depthwise::depthwise_convolution;
pub use kinks::Kinks;
pub use normalisation::normalise;
pub use pooling::average_pool;
pub use window::Window;
