//! The side callers see.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::{task, time};

use crate::domain::SaliencyProxy;
use crate::serving::Error;
use crate::serving::saliency::flights::{Joined, Outcome, Wanted};
use crate::serving::saliency::key::Key;
use crate::serving::saliency::queue::Queue;
use crate::space::{Architecture, Saliencies, SearchSpace};
use crate::store::Store;
use crate::zero_cost::{self, Measurer, Proxies};

/// Asks for saliencies. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SaliencyHandle {
    queue: Arc<Queue>,
    proxies: Arc<Proxies>,
    store: watch::Receiver<Option<Store>>,
}

/// What became of the architectures of a call, in order.
#[derive(Debug)]
pub(in crate::serving) struct Measurements {
    pub outcomes: Vec<Outcome>,
    /// How long the call waited for any of them to be measured.
    pub waited: Duration,
}

impl SaliencyHandle {
    pub(in crate::serving) fn new(
        queue: Arc<Queue>,
        proxies: Arc<Proxies>,
        store: watch::Receiver<Option<Store>>,
    ) -> Self {
        Self { queue, proxies, store }
    }

    /// Checks that saliencies of the architectures of `space` can be measured as a task chose.
    ///
    /// # Errors
    /// When there is no such proxy here, its images cannot be read, or the space names no network.
    pub async fn check(&self, space: &SearchSpace, proxy: &SaliencyProxy) -> Result<(), zero_cost::Error> {
        self.measurer(&proxy.name, u64::from(proxy.seed)).await?.check_space(space)
    }

    /// The proxy of that name, ready to measure with.
    ///
    /// # Errors
    /// When there is no such proxy here, or its images cannot be read.
    pub(in crate::serving) async fn measurer(
        &self,
        name: &str,
        seed: u64,
    ) -> Result<Arc<Measurer>, zero_cost::Error> {
        if let Some(ready) = self.proxies.ready(name, seed) {
            return Ok(ready);
        }
        let (proxies, name) = (self.proxies.clone(), name.to_owned());
        let made = task::spawn_blocking(move || proxies.measurer(&name, seed));
        match made.await.map_err(JoinError::try_into_panic) {
            Ok(made) => made,
            Err(Ok(panic)) => resume_unwind(panic),
            // The runtime is going down, and this future with it.
            Err(Err(_)) => future::pending().await,
        }
    }

    /// The saliencies of architectures: those in memory, those in the store, and the others as soon as they are
    /// measured. A future that is dropped takes back what is not yet begun.
    ///
    /// # Errors
    /// When the queue is full, the deadline passes, or the service stops.
    pub(in crate::serving) async fn measured(
        &self,
        measurer: &Arc<Measurer>,
        architectures: Vec<Architecture>,
        deadline: Option<Instant>,
    ) -> Result<Measurements, Error> {
        let keys: Vec<Key> = architectures.iter().map(|it| Key::new(measurer.origin(), it)).collect();
        let mut known = self.queue.known(&keys);
        self.look_up(measurer, &keys, &architectures, &mut known, deadline).await?;
        let unknown = keys.into_iter().zip(architectures).zip(&known).filter(|(_, known)| known.is_none());
        let unknown =
            unknown.map(|((key, architecture), _)| Wanted { key, architecture, measurer: measurer.clone() });
        let joined = self.queue.join(unknown.collect(), deadline)?;

        let has_to_wait = joined.iter().any(|joined| matches!(joined, Joined::Later(_)));
        let since = Instant::now();
        let outcomes = future::try_join_all(joined.into_iter().map(async |joined| match joined {
            Joined::Known(saliencies) => Ok(Ok(saliencies)),
            // It is only dropped unanswered when it is too late, or a thread ends with it.
            Joined::Later(reply) => reply.await.map_err(|_| match deadline {
                Some(deadline) if deadline <= Instant::now() => Error::DeadlineExceeded,
                _ => Error::Stopping,
            }),
        }));
        let mut outcomes = before(deadline, outcomes).await??.into_iter();
        let waited = if has_to_wait { since.elapsed() } else { Duration::ZERO };
        let outcome = |known: Option<Arc<Saliencies>>| {
            known.map(Ok).or_else(|| outcomes.next()).expect("whatever is not known has an outcome")
        };
        Ok(Measurements { outcomes: known.into_iter().map(outcome).collect(), waited })
    }

    /// Adds what the store has to what is known, and remembers it. Where it does not answer, nothing is added.
    async fn look_up(
        &self,
        measurer: &Measurer,
        keys: &[Key],
        architectures: &[Architecture],
        known: &mut [Option<Arc<Saliencies>>],
        deadline: Option<Instant>,
    ) -> Result<(), Error> {
        let unknown: Vec<usize> = (0..known.len()).filter(|index| known[*index].is_none()).collect();
        let store = self.store.borrow().clone();
        let Some(store) = store.filter(|_| !unknown.is_empty()) else { return Ok(()) };
        let asked: Vec<_> = unknown.iter().map(|index| architectures[*index].clone()).collect();
        match before(deadline, store.saliencies_of(measurer.origin(), &asked)).await? {
            Ok(stored) => {
                for (index, stored) in unknown.iter().zip(stored) {
                    known[*index] = stored.map(Arc::new);
                }
                let found = |index: &usize| Some((keys[*index], known[*index].clone()?));
                self.queue.remember(unknown.iter().filter_map(found));
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "could not look saliencies up, measuring them");
            }
        }
        Ok(())
    }
}

/// What comes of it by the deadline.
async fn before<T>(deadline: Option<Instant>, future: impl Future<Output = T>) -> Result<T, Error> {
    match deadline {
        Some(deadline) => {
            time::timeout_at(deadline.into(), future).await.map_err(|_| Error::DeadlineExceeded)
        }
        None => Ok(future.await),
    }
}
