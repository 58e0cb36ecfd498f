//! How well predictions agree with measured values: pure functions over slices.
//!
//! This room knows nothing of architectures, tasks or models. Two slices always belong together item
//! by item, and larger is better.
//!
//! A figure that does not exist is `None`, never NaN: where a value is NaN, where there are too few
//! items, and where a correlation meets a slice that is constant. Slices of different lengths are a
//! mistake of the caller and panic.

mod bootstrap;
mod correlation;
mod kendall;
mod loss;
mod precision;

pub use bootstrap::{Bootstrap, Bounded};
pub use correlation::{pearson, spearman};
pub use kendall::kendall_tau;
pub use loss::{mean_absolute_error, mean_squared_error};
pub use precision::precision_at_k;

/// Whether values can be compared item by item: `false` with a NaN among them.
///
/// # Panics
/// When the slices have different lengths.
fn are_comparable(xs: &[f64], ys: &[f64]) -> bool {
    assert_eq!(xs.len(), ys.len(), "both slices have one value per item");
    !xs.iter().chain(ys).any(|value| value.is_nan())
}

#[expect(clippy::float_cmp, reason = "only values equal to the last bit are tied")]
fn are_tied(x: f64, y: f64) -> bool {
    x == y
}
