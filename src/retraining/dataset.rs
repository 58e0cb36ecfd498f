//! From the observations of a task to what a version is trained on and judged by.

use std::collections::{BTreeMap, HashSet};

use crate::domain::{Budget, Measurement, Sequence, StoredObservation, Task};
use crate::fit::{Dataset, Example, Target};
use crate::space::{Architecture, CanonicalId};

/// What a snapshot of observations comes to.
#[derive(Clone, Debug)]
pub struct Datasets {
    /// What may be trained on.
    pub training: Dataset,
    /// What the task's rule keeps back. It has the same targets, and may be empty.
    pub holdout: Dataset,
    /// The number of the first observation of each example's architecture, by its text.
    pub first_seen: BTreeMap<String, Sequence>,
}

/// The datasets of a snapshot: for each architecture as written and each budget one mean, weighted by how
/// many trainings each observation is a mean of. An architecture that was infeasible and, another time, was
/// not, was not. Examples are in the order of their text, so that the same observations, in whatever order,
/// are the same dataset.
///
/// The targets are the task's budgets at which there is something to learn, that is two different outcomes
/// to train on, the last `max_targets` of them. There may be none.
#[must_use]
pub fn datasets(task: &Task, observations: &[StoredObservation], max_targets: usize) -> Datasets {
    let mut measured: BTreeMap<&str, Measured<'_>> = BTreeMap::new();
    for stored in observations {
        let key = stored.observation.key();
        let entry = measured.entry(key.architecture.text()).or_insert_with(|| Measured {
            architecture: &key.architecture,
            class: &stored.class,
            first_seen: stored.sequence,
            outcomes: BTreeMap::new(),
        });
        entry.first_seen = entry.first_seen.min(stored.sequence);
        let outcome = entry.outcomes.entry(key.budget).or_default();
        match stored.observation.measurement() {
            Measurement::Value(value) => {
                let weight = stored.observation.repeats().map_or(1, |repeats| repeats.n);
                outcome.values.push((*value, f64::from(weight)));
            }
            Measurement::Infeasible(_) => outcome.is_infeasible = true,
        }
    }
    let (kept_back, trained_on): (Vec<_>, Vec<_>) =
        measured.values().partition(|measured| task.holdout.contains(measured.class));

    let mut budgets: Vec<Budget> =
        task.budgets.iter().copied().filter(|budget| can_be_learnt(&trained_on, *budget)).collect();
    budgets.drain(..budgets.len().saturating_sub(max_targets));
    let target =
        |budget: &Budget| Target { column: format!("{}_{budget}", task.metric), budget: Some(*budget) };
    let dataset = |measured: &[&Measured<'_>]| Dataset {
        space: task.space.clone(),
        goal: task.goal,
        unit: task.unit,
        targets: budgets.iter().map(target).collect(),
        examples: measured.iter().filter_map(|measured| measured.example(&budgets)).collect(),
    };
    let (training, holdout) = (dataset(&trained_on), dataset(&kept_back));
    let first_seen = measured.iter().map(|(text, one)| ((*text).to_owned(), one.first_seen)).collect();
    Datasets { training, holdout, first_seen }
}

/// All that was observed of one architecture.
struct Measured<'a> {
    architecture: &'a Architecture,
    class: &'a CanonicalId,
    first_seen: Sequence,
    outcomes: BTreeMap<Budget, Outcome>,
}

/// What came of the trainings at one budget.
#[derive(Default)]
struct Outcome {
    /// Values, with the number of trainings each is a mean of.
    values: Vec<(f64, f64)>,
    is_infeasible: bool,
}

impl Outcome {
    /// The sum is over values in ascending order, so that it is the same to the last bit in whatever order
    /// they came.
    fn mean(&self) -> Option<f64> {
        let mut values = self.values.clone();
        values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (first, last) = (values.first()?.0, values.last()?.0);
        let all: f64 = values.iter().map(|(_, weight)| weight).sum();
        let mean: f64 = values.iter().map(|(value, weight)| value * (weight / all)).sum();
        // Rounding must not carry a mean of valid values out of their range.
        Some(mean.clamp(first, last))
    }
}

impl Measured<'_> {
    /// `None` where nothing was observed at these budgets.
    fn example(&self, budgets: &[Budget]) -> Option<Example> {
        let outcomes: Vec<Option<&Outcome>> =
            budgets.iter().map(|budget| self.outcomes.get(budget)).collect();
        outcomes.iter().any(Option::is_some).then(|| {
            let labels: Vec<Option<f64>> =
                outcomes.iter().map(|outcome| outcome.and_then(Outcome::mean)).collect();
            let infeasible = labels.iter().zip(&outcomes).map(|(label, outcome)| {
                label.is_none() && outcome.is_some_and(|outcome| outcome.is_infeasible)
            });
            Example {
                architecture: self.architecture.clone(),
                class: self.class.clone(),
                saliencies: None,
                infeasible: infeasible.collect(),
                labels,
            }
        })
    }
}

/// Whether two architectures came out differently at a budget, one infeasible counted in.
fn can_be_learnt(measured: &[&Measured<'_>], budget: Budget) -> bool {
    let outcomes = measured.iter().filter_map(|measured| measured.outcomes.get(&budget));
    let different: HashSet<Option<u64>> =
        outcomes.map(|outcome| outcome.mean().map(|mean| (mean + 0.0).to_bits())).collect();
    different.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Observation, ObservationKey, Repeats, Source, Timestamp};
    use crate::space::nasbench201;

    /// Architectures that the rule does not keep back, then one that it does.
    fn architectures() -> (Vec<Architecture>, Architecture) {
        let task = Task::nasbench201_cifar10();
        let is_kept_back = |it: &Architecture| task.holdout.contains(&it.canonical().id);
        let (kept_back, mut trained_on): (Vec<_>, Vec<_>) =
            nasbench201().sample(60, 0).into_iter().partition(is_kept_back);
        trained_on.sort_by(|a, b| a.text().cmp(b.text()));
        (trained_on, kept_back[0].clone())
    }

    fn observed(
        sequence: i64,
        architecture: &Architecture,
        budget: u32,
        measurement: Measurement,
        n_repeats: Option<u32>,
    ) -> StoredObservation {
        let task = Task::nasbench201_cifar10();
        let key = ObservationKey {
            task: task.name.clone(),
            architecture: architecture.clone(),
            budget: Budget(budget),
            seed: sequence,
            source: Source::default(),
        };
        let repeats = n_repeats.map(|n| Repeats { n, standard_deviation: None });
        StoredObservation {
            sequence: Sequence(sequence),
            observation: Observation::new(&task, key, measurement, repeats).expect("valid"),
            class: architecture.canonical().id,
            recorded_at: Timestamp { unix_micros: sequence },
            retracted_by: None,
        }
    }

    fn value(value: f64) -> Measurement {
        Measurement::Value(value)
    }

    fn infeasible() -> Measurement {
        Measurement::Infeasible("out of memory".to_owned())
    }

    #[test]
    fn an_architecture_has_one_weighted_mean_for_each_budget_and_feasible_wins() {
        let (trained_on, kept_back) = architectures();
        let [a, b, c] = [0, 1, 2].map(|i| &trained_on[i]);
        let mut observations = vec![
            observed(1, c, 200, infeasible(), None),
            observed(2, a, 200, value(90.0), Some(3)),
            observed(3, b, 200, infeasible(), None),
            observed(4, a, 200, value(94.0), None),
            observed(5, b, 200, value(80.0), None),
            observed(6, a, 12, value(50.0), None),
            observed(7, b, 12, value(60.0), None),
            observed(8, &kept_back, 200, value(70.0), None),
        ];
        let Datasets { training, holdout, first_seen } =
            datasets(&Task::nasbench201_cifar10(), &observations, 3);
        let texts: Vec<&str> = training.examples.iter().map(|example| example.architecture.text()).collect();
        assert_eq!(texts, [a.text(), b.text(), c.text()]);
        assert_eq!(training.labels(0), [Some(50.0), Some(60.0), None]);
        assert_eq!(training.labels(1), [Some(91.0), Some(80.0), None]);
        assert_eq!(training.merits(1), [Some(91.0), Some(80.0), Some(f64::NEG_INFINITY)]);
        assert_eq!(training.merits(0)[2], None, "not tried is not infeasible");
        let budgets: Vec<_> = training.targets.iter().map(|target| target.budget).collect();
        assert_eq!(budgets, [Some(Budget(12)), Some(Budget(200))]);
        assert_eq!(holdout.labels(1), [Some(70.0)]);
        assert_eq!((first_seen[a.text()], first_seen[b.text()]), (Sequence(2), Sequence(3)));

        observations.reverse();
        let again = datasets(&Task::nasbench201_cifar10(), &observations, 3).training;
        assert_eq!(format!("{again:?}"), format!("{training:?}"), "in whatever order they came");
    }

    #[test]
    fn a_budget_without_two_different_outcomes_is_no_target() {
        let (trained_on, kept_back) = architectures();
        let at = |architecture: &Architecture, budget, outcome: f64| {
            observed(1, architecture, budget, value(outcome), None)
        };
        let [a, b] = [0, 1].map(|i| &trained_on[i]);
        let task = Task::nasbench201_cifar10();
        let n_targets = |observations: &[StoredObservation], max_targets| {
            datasets(&task, observations, max_targets).training.targets.len()
        };
        let both = [at(a, 12, 50.0), at(b, 12, 60.0), at(a, 200, 90.0), at(b, 200, 91.0)];
        assert_eq!((n_targets(&both, 3), n_targets(&both, 1), n_targets(&[], 3)), (2, 1, 0));
        assert_eq!(datasets(&task, &both, 1).training.targets[0].budget, Some(Budget(200)));
        assert_eq!(n_targets(&[at(a, 12, 50.0), at(b, 12, 60.0), at(a, 200, 90.0), at(b, 200, 90.0)], 3), 1);
        assert_eq!(n_targets(&[at(a, 12, 50.0), at(&kept_back, 12, 60.0)], 3), 0, "one is kept back");
        let one_failed = [at(a, 200, 90.0), observed(2, b, 200, infeasible(), None)];
        assert_eq!(n_targets(&one_failed, 3), 1);
    }
}
