//! How computation is spread over cores: one thread for each batch, batches side by side. A small
//! matrix product that is split over threads gets slower, up to tenfold on a busy machine, and candle
//! hands all its split operations to one pool that only one caller can use at a time.

use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::model::Input;
use crate::model::trained::{Error, Model};

/// Architectures scored at once by one thread: large enough for full speed, small enough for the
/// caches.
const BATCH_SIZE: usize = 128;
/// As many as a GPU needs to be busy.
const BATCH_SIZE_OF_GPU: usize = 8_192;

/// The environment under which candle, gemm and rayon compute on the calling thread alone. They read it
/// once, so it has to be there before the first tensor: the binary sets it, `.cargo/config.toml` for tests.
pub const SINGLE_THREADED: [(&str, &str); 2] = [("CANDLE_NUM_THREADS", "1"), ("RAYON_NUM_THREADS", "1")];

/// Scores any number of architectures on up to `n_threads` threads; otherwise as [`Model::scores`].
///
/// # Errors
/// As [`Model::scores`].
///
/// # Panics
/// Never, unless a tensor operation does.
pub fn scores_in_parallel(
    model: &Model,
    inputs: &[Input<'_>],
    n_threads: NonZero<usize>,
) -> Result<Vec<Vec<f64>>, Error> {
    let batch_size = if model.device().is_cpu() { BATCH_SIZE } else { BATCH_SIZE_OF_GPU };
    let batches = Mutex::new(inputs.chunks(batch_size).enumerate());
    let next_batch = || batches.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        std::iter::from_fn(next_batch)
            .map(|(index, batch)| Ok((index, model.scores(batch)?)))
            .collect::<Result<Vec<_>, Error>>()
    };
    let n_threads = n_threads.get().min(inputs.len().div_ceil(batch_size));
    let mut scored = thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("scoring does not panic"))
            .collect::<Result<Vec<_>, Error>>()
    })?
    .concat();
    scored.sort_unstable_by_key(|(index, _)| *index);
    Ok(scored.into_iter().flat_map(|(_, rows)| rows).collect())
}
