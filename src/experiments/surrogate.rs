//! What architectures were predicted by before encoders were learnt: regressions on a fixed description of them. They are
//! here to be compared with, and cannot be served.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::experiments::boosting::{self, BoostingError};
use crate::experiments::journal::TargetOutcome;
use crate::experiments::nasbowl::{self, GraphKernelError};
use crate::fit::{Dataset, Evaluation, Judged};
use crate::space::CanonicalId;

/// A regression on a fixed description of architectures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Surrogate {
    /// Gradient-boosted trees, the algorithm of `XGBoost`, on the choices that make up an architecture.
    Boosting,
    /// NASBOWL (Ru et al., 2021): a Gaussian process whose kernel counts what two graphs have in common, by the test of
    /// Weisfeiler and Lehman.
    Nasbowl,
}

/// Why a regression cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SurrogateError {
    /// The trees failed.
    #[error("could not boost trees")]
    Boosting(#[from] BoostingError),
    /// The Gaussian process failed.
    #[error("could not condition a Gaussian process")]
    Nasbowl(#[from] GraphKernelError),
}

impl Surrogate {
    /// How the test rows are ranked by a regression on the training rows, one for each target; `seed` is where all
    /// chance comes from. The first `n_sampled` predictions are kept.
    ///
    /// # Errors
    /// When a regression cannot be made.
    pub fn ranked(
        self,
        (training, test): (&Dataset, &Dataset),
        seed: u64,
        n_sampled: usize,
    ) -> Result<Vec<TargetOutcome>, SurrogateError> {
        let trained_on: BTreeSet<CanonicalId> = training.classes();
        let of_target = |target: usize| {
            let labelled = training.filtered(|example| example.labels[target].is_some());
            let labels: Vec<f64> = labelled.labels(target).into_iter().flatten().collect();
            let known = labelled.examples.iter().map(|it| &it.architecture).collect::<Vec<_>>();
            let asked = test.examples.iter().map(|it| &it.architecture).collect::<Vec<_>>();
            let predictions = match self {
                Self::Boosting => boosting::predictions(&known, &labels, &asked, seed)?,
                Self::Nasbowl => nasbowl::predictions(&known, &labels, &asked)?,
            };
            let judged: Vec<Judged> = (test.examples.iter().zip(predictions))
                .filter_map(|(example, prediction)| {
                    let (label, is_seen) = (example.labels[target]?, trained_on.contains(&example.class));
                    Some(Judged { prediction, label, is_seen })
                })
                .collect();
            let sample = judged.iter().take(n_sampled).map(|it| (it.prediction, it.label)).collect();
            let evaluation = Evaluation::new(&judged, test.goal, false);
            Ok(TargetOutcome::new(&test.targets[target].column, &[&evaluation], sample))
        };
        (0..test.targets.len()).map(of_target).collect()
    }
}
