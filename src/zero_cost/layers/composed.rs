//! The same layers made of candle's own operations, for a device that our kernels do not run on.
//!
//! Convolutions and averages are of what windows read, copied out of the maps: they need none of candle's.

use candle_core::{Result, Tensor};

use super::Window;
use super::normalisation::EPSILON;
use super::pooling::shares;

/// See [`convolution`](super::convolution).
pub fn convolution(maps: &Tensor, weight: &Tensor, gates: &Tensor, window: Window) -> Result<Tensor> {
    let (channels, n_images, side, _) = maps.dims4()?;
    let side_out = window.side_out(side);
    let patches = patches(maps, window)?.permute((0, 2, 1, 3))?; // [in, taps, images, pixels]
    let patches = patches.reshape((channels * window.n_taps(), n_images * side_out * side_out))?;
    let made = weight.matmul(&patches)?;
    gated(&made.reshape((weight.dim(0)?, n_images, side_out, side_out))?, gates)
}

/// See [`depthwise_convolution`](super::depthwise_convolution).
pub fn depthwise_convolution(
    maps: &Tensor,
    weight: &Tensor,
    gates: &Tensor,
    window: Window,
) -> Result<Tensor> {
    let (channels, n_images, side, _) = maps.dims4()?;
    let side_out = window.side_out(side);
    let weight = weight.reshape((channels, 1, window.n_taps(), 1))?;
    let made = patches(maps, window)?.broadcast_mul(&weight)?.sum(2)?;
    gated(&made.reshape((channels, n_images, side_out, side_out))?, gates)
}

/// See [`average_pool`](super::average_pool).
pub fn average_pool(maps: &Tensor, window: Window) -> Result<Tensor> {
    let (channels, n_images, side, _) = maps.dims4()?;
    let side_out = window.side_out(side);
    let shares = Tensor::new(shares::<f64>(window, side), maps.device())?.to_dtype(maps.dtype())?;
    let averages = patches(maps, window)?.sum(2)?.broadcast_mul(&shares)?;
    averages.reshape((channels, n_images, side_out, side_out))
}

/// See [`normalise`](super::normalise).
pub fn normalise(maps: &Tensor) -> Result<Tensor> {
    let rows = maps.flatten_from(1)?;
    let centred = rows.broadcast_sub(&rows.mean_keepdim(1)?)?;
    let variance = centred.sqr()?.mean_keepdim(1)?;
    centred.broadcast_div(&(variance + EPSILON)?.sqrt()?)?.reshape(maps.shape())
}

/// The maps where a ReLU is open, else zero.
///
/// # Shapes
/// - `maps`: any
/// - `open`: as many numbers, 1 or 0
/// - returns the same as `maps`
pub fn opened(maps: &Tensor, open: &[u8]) -> Result<Tensor> {
    maps * Tensor::from_slice(open, maps.shape(), maps.device())?.to_dtype(maps.dtype())?
}

/// Of each map the pixels at these positions.
///
/// # Shapes
/// - `maps`: `[channels, images, side, side]`
/// - `pixels`: `side_out * side_out` positions for each map
/// - returns `[channels, images, side_out, side_out]`
pub fn selected(maps: &Tensor, pixels: &[u32], side_out: usize) -> Result<Tensor> {
    let (channels, n_images, ..) = maps.dims4()?;
    let pixels = Tensor::from_slice(pixels, (channels, n_images, side_out * side_out), maps.device())?;
    let made = maps.flatten_from(2)?.contiguous()?.gather(&pixels, 2)?;
    made.reshape((channels, n_images, side_out, side_out))
}

/// What windows read, zero outside the maps: `[channels, images, taps, pixels made]`.
fn patches(maps: &Tensor, window: Window) -> Result<Tensor> {
    let (channels, n_images, side, _) = maps.dims4()?;
    let read = Tensor::new(window.pixels_read(side), maps.device())?;
    let padded = maps.flatten_from(2)?.pad_with_zeros(2, 0, 1)?;
    let n_pixels_out = window.side_out(side).pow(2);
    padded.index_select(&read, 2)?.reshape((channels, n_images, window.n_taps(), n_pixels_out))
}

/// The maps times their gates: ones, so that they matter only where their gradients are wanted.
fn gated(maps: &Tensor, gates: &Tensor) -> Result<Tensor> {
    if gates.is_variable() {
        maps.broadcast_mul(&gates.unsqueeze(2)?.unsqueeze(3)?)
    } else {
        Ok(maps.clone())
    }
}
