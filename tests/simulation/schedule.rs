//! What happens, drawn by a seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::held_fit::N_QUALITIES;
use crate::workers::N_WORKERS;
use crate::world::N_TASKS;

const N_OPERATIONS: usize = 40;
/// Times that pass: less than a lease, more than one, more than a first back-off, more than any.
const SECONDS: [i64; 4] = [10, 31, 130, 7 * 3_600];

/// Something that happens. Tasks and workers are named by their place.
#[derive(Clone, Debug)]
pub enum Operation {
    /// New measurements are recorded.
    Observe { task: usize, n: usize },
    /// Measurements that were acknowledged are sent again.
    Retry { task: usize, batch: usize },
    /// A worker that has nothing to do looks for work; what it trains, if it trains, comes to an end.
    Turn { worker: usize, end: End },
    /// Time passes without a sign of life from anybody: leases run out.
    LoseHeartbeats { seconds: i64 },
    /// The unfinished run of a task is cancelled.
    Cancel { task: usize },
    /// A replica looks which versions it is to serve, and swaps.
    Swap,
    /// The champion is rolled back.
    RollBack { task: usize },
    /// Runs may promote again.
    Resume { task: usize },
    /// A version is promoted by hand.
    Promote { task: usize, version: usize },
    /// Every connection to the database breaks in the middle of a turn of a worker. On SQLite, the process ends.
    ResetDatabase { worker: usize },
}

/// How a training that is under way ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// With a checkpoint.
    Make { quality: usize },
    /// With an error.
    Fail,
    /// With the state it is to be resumed from: its process is told to stop.
    Stop,
    /// Its process is killed.
    Kill,
    /// Its process is killed a moment after it made a checkpoint, while that is judged and stored.
    KillAfterwards { n_moments: u32, quality: usize },
}

pub fn schedule(seed: u64) -> Vec<Operation> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..N_OPERATIONS).map(|_| operation(&mut rng)).collect()
}

fn operation(rng: &mut ChaCha8Rng) -> Operation {
    let task = rng.random_range(0..N_TASKS);
    let worker = rng.random_range(0..N_WORKERS);
    match rng.random_range(0..100) {
        0..14 => Operation::Observe { task, n: rng.random_range(1..=60) },
        14..18 => Operation::Retry { task, batch: rng.random_range(0..100) },
        18..63 => Operation::Turn { worker, end: end(rng) },
        63..74 => Operation::LoseHeartbeats { seconds: SECONDS[rng.random_range(0..SECONDS.len())] },
        74..76 => Operation::Cancel { task },
        76..80 => Operation::Swap,
        80..86 => Operation::RollBack { task },
        86..90 => Operation::Resume { task },
        90..96 => Operation::Promote { task, version: rng.random_range(0..100) },
        _ => Operation::ResetDatabase { worker },
    }
}

fn end(rng: &mut ChaCha8Rng) -> End {
    let quality = rng.random_range(0..N_QUALITIES);
    match rng.random_range(0..20) {
        0..11 => End::Make { quality },
        11..13 => End::Fail,
        13..15 => End::Stop,
        15..17 => End::Kill,
        _ => End::KillAfterwards { n_moments: rng.random_range(0..2_000), quality },
    }
}
