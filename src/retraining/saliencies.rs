//! The saliencies that predictors take: from the store, where somebody measured them before, or measured now and stored.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task;

use crate::domain::StoredTask;
use crate::fit::Dataset;
use crate::model::Header;
use crate::retraining::dataset::Datasets;
use crate::retraining::fitting::Takes;
use crate::retraining::watch::Watch;
use crate::space::{Architecture, Saliencies, SaliencyOrigin};
use crate::store::{self, Store};
use crate::zero_cost::{self, Measurer, Proxies, side_by_side};

/// What is looked up at once.
const PAGE_SIZE: usize = 1_000;
/// What is stored at once: whoever takes a run up from a process that died finds all but the last few.
const MAX_BATCH: usize = 16;

/// Why a dataset has no saliencies.
#[derive(Debug, thiserror::Error)]
pub enum SaliencyError {
    /// Nobody may measure them.
    #[error(
        "predictors need zero-cost saliencies, {n_metrics} for each operation: have them measured (saliency_proxy of \
         the task, tagates tasks update --saliency-proxy)"
    )]
    NotOptedIn {
        /// How many.
        n_metrics: usize,
    },
    /// The proxy measures others than are needed.
    #[error("predictors take {needed} saliency metrics, proxy {proxy} of the task measures {n_of_proxy}")]
    OtherMetrics {
        /// What the proxy is called.
        proxy: String,
        /// How many it measures.
        n_of_proxy: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The task's proxy is none here, or not of this space.
    #[error("could not measure saliencies as the task has it")]
    Proxy(#[from] zero_cost::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No thread, or one that panicked.
    #[error("measuring saliencies died, the log says why")]
    Died,
}

impl SaliencyError {
    /// Whether the same snapshot would fail again.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::NotOptedIn { .. } | Self::OtherMetrics { .. } | Self::Proxy(_) => true,
            Self::Store(_) | Self::Died => false,
        }
    }
}

/// Measures what datasets come without.
#[derive(Clone, Debug)]
pub struct Measuring {
    /// Settings to measure by.
    pub proxies: Arc<Proxies>,
    /// Threads side by side.
    pub n_threads: NonZero<usize>,
    /// Share of the time that they compute in.
    pub share: f64,
}

impl Default for Measuring {
    fn default() -> Self {
        Self { proxies: Arc::default(), n_threads: NonZero::<usize>::MIN, share: 1.0 }
    }
}

impl Measuring {
    /// The datasets with the saliencies that predictors take, and how these were measured. They stay as they are where
    /// predictors take none, or may go without and the task has not opted in. `None` where `watch` said to stop.
    ///
    /// # Errors
    /// When predictors need saliencies and the task does not let them be measured, or not those; or the store fails.
    pub async fn filled(
        &self,
        store: &Store,
        task: &StoredTask,
        takes: Option<Takes>,
        mut datasets: Datasets,
        watch: &Arc<Watch>,
    ) -> Result<Option<(Datasets, Option<SaliencyOrigin>)>, SaliencyError> {
        let Some(Takes { n_metrics, is_required }) = takes else { return Ok(Some((datasets, None))) };
        let Some(chosen) = &task.saliency_proxy else {
            if is_required {
                return Err(SaliencyError::NotOptedIn { n_metrics });
            }
            return Ok(Some((datasets, None)));
        };
        let measurer = self.measurer(&chosen.name, u64::from(chosen.seed)).await?;
        measurer.check_space(&task.task.space)?;
        let n_of_proxy = measurer.proxy().metrics.len();
        if n_of_proxy != n_metrics {
            let proxy = chosen.name.clone();
            return Err(SaliencyError::OtherMetrics { proxy, n_of_proxy, needed: n_metrics });
        }
        let all = datasets.training.examples.iter().chain(&datasets.holdout.examples);
        let architectures = all.map(|example| example.architecture.clone()).collect();
        let Some(found) = self.found(store, &measurer, architectures, watch).await? else { return Ok(None) };
        fill(&mut datasets.training, &found, is_required);
        fill(&mut datasets.holdout, &found, is_required);
        Ok(Some((datasets, Some(measurer.origin().clone()))))
    }

    /// The holdout as a champion is to see it that was trained on saliencies of another origin than `origin`; `None`
    /// where it sees the same as all, or this cannot be had: then it is judged by what there is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn holdout_of(
        &self,
        store: &Store,
        champion: &Header,
        origin: Option<&SaliencyOrigin>,
        holdout: &Dataset,
        watch: &Arc<Watch>,
    ) -> Result<Option<Dataset>, SaliencyError> {
        let (Some(_), Some(own)) = (champion.model.n_metrics_taken(), &champion.saliencies) else {
            return Ok(None);
        };
        if origin.is_some_and(|origin| own.is_same(origin)) {
            return Ok(None);
        }
        let measurer = match self.measurer(&own.proxy, own.seed).await {
            Ok(measurer) if measurer.origin().is_same(own) => measurer,
            _ => return Ok(None),
        };
        let architectures = holdout.examples.iter().map(|example| example.architecture.clone()).collect();
        let Some(found) = self.found(store, &measurer, architectures, watch).await? else { return Ok(None) };
        let mut holdout = holdout.clone();
        fill(&mut holdout, &found, false);
        Ok(Some(holdout))
    }

    async fn measurer(&self, name: &str, seed: u64) -> Result<Arc<Measurer>, SaliencyError> {
        let (proxies, name) = (self.proxies.clone(), name.to_owned());
        let made = task::spawn_blocking(move || proxies.measurer(&name, seed)).await;
        Ok(made.map_err(|_| SaliencyError::Died)??)
    }

    /// The saliencies of architectures by their text; without those that cannot be measured, which are reported.
    async fn found(
        &self,
        store: &Store,
        measurer: &Arc<Measurer>,
        architectures: Vec<Architecture>,
        watch: &Arc<Watch>,
    ) -> Result<Option<HashMap<String, Saliencies>>, SaliencyError> {
        let mut found = HashMap::with_capacity(architectures.len());
        let mut missing = Vec::new();
        for page in architectures.chunks(PAGE_SIZE) {
            let stored = store.saliencies_of(measurer.origin(), page).await?;
            for (architecture, stored) in page.iter().zip(stored) {
                match stored {
                    Some(saliencies) => drop(found.insert(architecture.text().to_owned(), saliencies)),
                    None => missing.push(architecture.clone()),
                }
            }
        }
        if missing.is_empty() {
            return Ok(Some(found));
        }
        tracing::info!(
            n = missing.len(),
            proxy = measurer.origin().proxy,
            "measuring saliencies to train on"
        );
        let (sender, mut results) = mpsc::channel(MAX_BATCH);
        let measuring = task::spawn_blocking({
            let (this, measurer, watch) = (self.clone(), measurer.clone(), watch.clone());
            move || this.measure_all(&measurer, &missing, &watch, &sender)
        });
        let mut batch: Vec<(Architecture, Saliencies)> = Vec::new();
        while results.recv_many(&mut batch, MAX_BATCH).await > 0 {
            let rows: Vec<_> = batch.iter().map(|(architecture, it)| (architecture, it)).collect();
            store.saliencies_insert(measurer.origin(), &rows).await?;
            let stored = batch.drain(..);
            found.extend(stored.map(|(architecture, it)| (architecture.text().to_owned(), it)));
        }
        measuring.await.ok().flatten().ok_or(SaliencyError::Died)?;
        Ok(watch.stopping().is_none().then_some(found))
    }

    /// Measures until all is sent or nobody wants it any more. `None` where a thread could not be started.
    fn measure_all(
        &self,
        measurer: &Measurer,
        architectures: &[Architecture],
        watch: &Watch,
        sender: &mpsc::Sender<(Architecture, Saliencies)>,
    ) -> Option<()> {
        /// Why it ends before its end.
        enum End {
            Unwanted,
            NoThread,
        }
        impl From<std::io::Error> for End {
            fn from(_: std::io::Error) -> Self {
                Self::NoThread
            }
        }
        let measure = |architecture: &Architecture| {
            let started = Instant::now();
            let result = measurer.measure(architecture);
            // The rest of the time is others'.
            thread::sleep(started.elapsed().mul_f64((1.0 - self.share) / self.share));
            result
        };
        let ended = side_by_side(architectures, self.n_threads, measure, |architecture, result| {
            if watch.stopping().is_some() {
                return Err(End::Unwanted);
            }
            match result {
                Ok(found) => {
                    let sent = sender.blocking_send((architecture.clone(), found.operations));
                    sent.map_err(|_| End::Unwanted)
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(%architecture, error, "an architecture is not trained on: it cannot be measured");
                    Ok(())
                }
            }
        });
        match ended {
            Ok(()) | Err(End::Unwanted) => Some(()),
            Err(End::NoThread) => None,
        }
    }
}

/// Gives examples what was found; where they need it, those without are left out.
fn fill(dataset: &mut Dataset, found: &HashMap<String, Saliencies>, is_required: bool) {
    for example in &mut dataset.examples {
        example.saliencies = found.get(example.architecture.text()).cloned();
    }
    if is_required {
        dataset.examples.retain(|example| example.saliencies.is_some());
    }
}
