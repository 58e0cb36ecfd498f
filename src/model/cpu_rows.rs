//! Numbers of tensors on the CPU, as our own operations read them.

use candle_core::{CpuStorage, Layout, Result, WithDType, bail};

/// The numbers of a tensor whose rows lie one after the other.
///
/// # Errors
/// When they do not, or are of another type.
pub fn numbers<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("rows do not lie one after the other"),
    }
}

/// What a computation that returns `Result<Vec<T>>` comes to, `T` the type of the numbers in a storage: f32 or f64.
/// Returns from the function around it where it fails.
macro_rules! with_numbers_of {
    ($storage:expr, $compute:ident($($argument:expr),* $(,)?)) => {
        match candle_core::backend::BackendStorage::dtype($storage) {
            candle_core::DType::F32 => candle_core::CpuStorage::F32($compute::<f32>($($argument),*)?),
            candle_core::DType::F64 => candle_core::CpuStorage::F64($compute::<f64>($($argument),*)?),
            other => candle_core::bail!("rows of {other:?} are not computed with"),
        }
    };
}
pub(in crate::model) use with_numbers_of;
