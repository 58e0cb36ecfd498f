//! Many architectures at once: each on a thread alone.

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Candle walks a network's layers by recursion, and some have thousands.
pub const STACK_SIZE_BYTES: usize = 64 << 20;

/// Works on all items, in their order, on up to `n_threads` threads that have stack enough for networks, and hands over
/// each result on the calling thread as it comes. Where that fails, no other item is begun.
///
/// # Errors
/// When handing over fails, or no thread can be started.
pub fn side_by_side<T: Sync, R: Send, E: From<io::Error>>(
    items: &[T],
    n_threads: NonZero<usize>,
    work: impl Fn(&T) -> R + Sync,
    mut hand_over: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::sync_channel(n_threads.get());
    let work_on_all = |sender: mpsc::SyncSender<_>| {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if sender.send((item, work(item))).is_err() {
                return; // Whoever takes results has given up.
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..n_threads.get().min(items.len()) {
            let (work_on_all, sender) = (&work_on_all, sender.clone());
            thread::Builder::new()
                .stack_size(STACK_SIZE_BYTES)
                .spawn_scoped(scope, move || work_on_all(sender))?;
        }
        drop(sender);
        results.into_iter().try_for_each(|(item, result)| hand_over(item, result))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZero<usize> = NonZero::new(2).expect("not zero");

    #[test]
    fn every_item_is_worked_on_once() {
        let items: Vec<usize> = (0..100).collect();
        let mut done = Vec::new();
        let taken = side_by_side(
            &items,
            TWO,
            |item| item * 2,
            |item, result| {
                done.push((*item, result));
                Ok::<_, io::Error>(())
            },
        );
        taken.expect("nothing fails");
        done.sort_unstable();
        assert_eq!(done, items.iter().map(|item| (*item, item * 2)).collect::<Vec<_>>());
    }

    #[test]
    fn once_handing_over_fails_no_more_is_begun() {
        let items: Vec<usize> = (0..1_000).collect();
        let n_begun = AtomicUsize::new(0);
        let work = |_: &usize| n_begun.fetch_add(1, Ordering::Relaxed);
        let taken = side_by_side(&items, TWO, work, |_, _| Err(io::Error::other("full")));
        assert_eq!(taken.expect_err("it is full").to_string(), "full");
        assert!(n_begun.load(Ordering::Relaxed) < 10);
    }
}
