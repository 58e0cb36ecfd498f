//! The outcomes of a grid so far.

use crate::experiments::{Grid, Journal, Outcome, TargetOutcome, Trial};

/// The outcomes that a journal has of a grid's trials, in the order of the trials.
#[derive(Debug)]
pub struct Results<'a> {
    /// What was tried.
    pub grid: &'a Grid,
    outcomes: Vec<&'a Outcome>,
}

impl<'a> Results<'a> {
    /// Of `trials`, those that `journal` has.
    #[must_use]
    pub fn new(grid: &'a Grid, trials: &[Trial], journal: &'a Journal) -> Self {
        Self { grid, outcomes: trials.iter().filter_map(|trial| journal.of(trial)).collect() }
    }

    /// What an encoder came to on training sets of `n`.
    #[must_use]
    pub fn of(&self, encoder: &str, n: usize) -> Vec<&'a Outcome> {
        let is_meant = |outcome: &&&Outcome| outcome.trial.encoder == encoder && outcome.trial.n == n;
        self.outcomes.iter().filter(is_meant).copied().collect()
    }

    /// The mean of a target's figure over the runs that have it.
    pub(in crate::experiments) fn mean(
        &self,
        encoder: &str,
        n: usize,
        target: usize,
        figure: impl Fn(&TargetOutcome) -> Option<f64>,
    ) -> Option<f64> {
        let outcomes = self.of(encoder, n);
        let figures: Vec<f64> =
            outcomes.iter().filter_map(|outcome| figure(&outcome.targets[target])).collect();
        (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
    }
}
