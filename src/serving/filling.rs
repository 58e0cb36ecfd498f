//! Giving candidates the saliencies that a model takes and a client did not send.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::domain::{Candidate, Prediction, SaliencyProxy, TaskName};
use crate::model::InputError;
use crate::serving::{CandidateError, Error, SaliencyHandle, Target};
use crate::space::SaliencyOrigin;
use crate::zero_cost::Measurer;

/// What came of it.
#[derive(Debug, Default)]
pub(in crate::serving) struct Filling {
    /// How long measurements were waited for.
    pub waited: Duration,
    /// Why a candidate still has none, and what to do about it.
    remedies: BTreeMap<usize, String>,
}

impl Filling {
    /// Fills in what is missing, where the task opted in: `chosen` says how. A version that knows how the saliencies
    /// were measured that it was trained on is given the same, whatever the task has chosen since.
    ///
    /// # Errors
    /// When the queue is full, the deadline passes, or the service stops.
    pub async fn fill(
        saliencies: Option<&SaliencyHandle>,
        target: &Target,
        chosen: impl FnOnce() -> Option<SaliencyProxy>,
        candidates: &mut [Candidate],
        deadline: Option<Instant>,
    ) -> Result<Self, Error> {
        let header = target.version.model.header();
        let Some(n_metrics) = header.model.n_metrics_taken() else { return Ok(Self::default()) };
        let missing: Vec<usize> =
            (0..candidates.len()).filter(|index| candidates[*index].saliencies.is_none()).collect();
        if missing.is_empty() {
            return Ok(Self::default());
        }
        let remedy_of_all = |remedy: String| Self {
            waited: Duration::ZERO,
            remedies: missing.iter().map(|index| (*index, remedy.clone())).collect(),
        };
        let Some(chosen) = chosen() else { return Ok(remedy_of_all(not_opted_in(&target.task.name))) };
        let Some(saliencies) = saliencies else {
            return Ok(remedy_of_all("send them; this server measures none".to_owned()));
        };
        let measurer = match measurer(saliencies, &chosen, header.saliencies.as_ref()).await {
            Ok(measurer) => measurer,
            Err(reason) => return Ok(remedy_of_all(format!("send them; {reason}"))),
        };
        let n_of_proxy = measurer.proxy().metrics.len();
        if n_of_proxy != n_metrics {
            let name = &measurer.origin().proxy;
            return Ok(remedy_of_all(format!("send them; proxy {name} measures {n_of_proxy}")));
        }
        let architectures = missing.iter().map(|index| candidates[*index].architecture.clone()).collect();
        let measurements = saliencies.measured(&measurer, architectures, deadline).await?;
        let mut filling = Self { waited: measurements.waited, remedies: BTreeMap::new() };
        for (index, outcome) in missing.into_iter().zip(measurements.outcomes) {
            match outcome {
                Ok(saliencies) => candidates[index].saliencies = Some((*saliencies).clone()),
                Err(error) => {
                    tracing::debug!(
                        error = &*error as &dyn std::error::Error,
                        "could not measure saliencies"
                    );
                    let remedy =
                        format!("send them; they cannot be measured: {:#}", anyhow::Error::from(error));
                    filling.remedies.insert(index, remedy);
                }
            }
        }
        Ok(filling)
    }

    /// The prediction of a candidate, with what to do where it lacks the saliencies that the model needs.
    pub fn explained(
        &self,
        index: usize,
        prediction: Result<Prediction, CandidateError>,
    ) -> Result<Prediction, CandidateError> {
        match (prediction, self.remedies.get(&index)) {
            (Err(CandidateError::Input(InputError::SalienciesMissing { n_metrics })), Some(remedy)) => {
                Err(CandidateError::NoSaliencies { n_metrics, remedy: remedy.clone() })
            }
            (prediction, _) => prediction,
        }
    }
}

fn not_opted_in(task: &TaskName) -> String {
    format!(
        "send them, or have the server measure them: saliency_proxy of task {task} \
         (tagates tasks update {task} --saliency-proxy small)"
    )
}

/// Who measures for a version: as what it was trained on was measured, if it knows, or else as the task chose.
async fn measurer(
    saliencies: &SaliencyHandle,
    chosen: &SaliencyProxy,
    trained_on: Option<&SaliencyOrigin>,
) -> Result<Arc<Measurer>, String> {
    let of_task = saliencies.measurer(&chosen.name, u64::from(chosen.seed)).await;
    let Some(origin) = trained_on else {
        return of_task.map_err(|error| {
            format!("proxy {chosen} cannot be used here: {:#}", anyhow::Error::from(error))
        });
    };
    if let Ok(measurer) = of_task
        && measurer.origin().is_same(origin)
    {
        return Ok(measurer);
    }
    let SaliencyOrigin { proxy, seed, .. } = origin;
    match saliencies.measurer(proxy, *seed).await {
        Ok(measurer) if measurer.origin().is_same(origin) => Ok(measurer),
        _ => Err(format!(
            "the model was trained on those of proxy {proxy:.80} with seed {seed}, which this server does not have \
             as it was then"
        )),
    }
}
