//! The threads that measure.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use futures_util::future;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task;

use crate::serving::saliency::flights::{Flights, Outcome};
use crate::serving::saliency::keeper;
use crate::serving::saliency::queue::Queue;
use crate::serving::{SaliencyConfig, SaliencyHandle};
use crate::store::Store;
use crate::zero_cost::{Proxies, STACK_SIZE_BYTES};

/// A thread that measures saliencies did not end by itself; its log says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saliency thread panicked")]
pub struct SaliencyThreadPanicked;

/// The threads that measure, and the task that stores what they find. Dropping it lets them end.
#[derive(Debug)]
pub struct SaliencyWorker {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
    ended: Vec<oneshot::Receiver<()>>,
    keeping: task::JoinHandle<()>,
}

/// Starts the threads that measure saliencies with `proxies`, and keep them in `store` once it is there.
///
/// # Errors
/// When the operating system gives no thread.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(
    config: &SaliencyConfig,
    proxies: Arc<Proxies>,
    store: watch::Receiver<Option<Store>>,
) -> io::Result<(SaliencyHandle, SaliencyWorker)> {
    let n_threads = config.saliency_threads;
    let flights = Flights::new(config.saliency_queue_capacity.get(), config.saliency_cache);
    let queue = Arc::new(Queue::new(flights, u32::from(n_threads.get())));
    let (results, receiver) = mpsc::channel(keeper::CAPACITY);
    let mut worker = SaliencyWorker {
        queue: queue.clone(),
        threads: Vec::new(),
        ended: Vec::new(),
        keeping: tokio::spawn(keeper::keep(receiver, store.clone())),
    };
    for _ in 0..n_threads.get() {
        let (end, ended) = oneshot::channel();
        let (ending, results) = (Ending { queue: queue.clone(), _end: end }, results.clone());
        let thread = thread::Builder::new().name("saliencies".to_owned()).stack_size(STACK_SIZE_BYTES);
        worker.threads.push(thread.spawn(move || work(&ending.queue, &results))?);
        worker.ended.push(ended);
    }
    Ok((SaliencyHandle::new(queue, proxies, store), worker))
}

impl SaliencyWorker {
    /// Completes when a thread has ended, which before [`Self::stop`] means that it panicked.
    pub async fn ended(&mut self) {
        // Nothing is ever sent: the senders are dropped.
        let _ = future::select_all(&mut self.ended).await;
    }

    /// Lets the threads finish what somebody waits for, and waits for them to end and for what they found to be stored.
    ///
    /// # Errors
    /// When one panicked, and so may have left calls unanswered.
    pub async fn stop(mut self) -> Result<(), SaliencyThreadPanicked> {
        self.queue.close();
        future::join_all(&mut self.ended).await;
        let joined: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        // Its channel is closed now that the threads have ended.
        let kept = (&mut self.keeping).await;
        if joined.iter().all(Result::is_ok) && kept.is_ok() { Ok(()) } else { Err(SaliencyThreadPanicked) }
    }
}

impl Drop for SaliencyWorker {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Held by each thread: however it ends, nobody is left waiting for it.
struct Ending {
    queue: Arc<Queue>,
    /// Dropped to say that the thread has ended.
    _end: oneshot::Sender<()>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if thread::panicking() {
            self.queue.abandon();
        }
    }
}

/// Measures what is wanted until the queue is closed and nobody waits.
fn work(queue: &Queue, results: &mpsc::Sender<keeper::Result>) {
    while let Some(wanted) = queue.next() {
        let started = Instant::now();
        let result = wanted.measurer.measure(&wanted.architecture);
        let outcome: Outcome = result.map(|it| Arc::new(it.operations)).map_err(Arc::new);
        let elapsed = started.elapsed();
        tracing::debug!(architecture = %wanted.architecture, ?elapsed, is_measured = outcome.is_ok(), "saliencies");
        if let Ok(saliencies) = &outcome {
            let (measurer, architecture) = (wanted.measurer, wanted.architecture);
            let result = keeper::Result { measurer, architecture, saliencies: saliencies.clone() };
            if results.try_send(result).is_err() {
                tracing::warn!("saliencies are measured faster than the database stores them");
            }
        }
        queue.done(wanted.key, &outcome, elapsed);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;
    use crate::serving::Error;
    use crate::space::nasbench201;
    use crate::zero_cost;

    #[tokio::test]
    async fn a_deadline_is_kept_and_a_stop_leaves_nobody_waiting() {
        let config = SaliencyConfig {
            proxies: zero_cost::Config::default(),
            saliency_queue_capacity: NonZero::<usize>::MIN,
            saliency_threads: NonZero::<u16>::MIN,
            saliency_cache: NonZero::<usize>::MIN,
        };
        let (handle, worker) =
            start(&config, Arc::default(), watch::channel(None).1).expect("a thread to measure on");
        let measurer = handle.measurer("small", 0).await.expect("a built-in proxy");
        let cells = || nasbench201().sample(3, 0);
        let late = handle.measured(&measurer, cells(), Some(Instant::now())).await;
        assert!(matches!(late, Err(Error::DeadlineExceeded)), "{late:?}");
        worker.stop().await.expect("a clean stop");
        let stopped = handle.measured(&measurer, cells(), None).await;
        assert!(matches!(stopped, Err(Error::Stopping)), "{stopped:?}");
    }
}
