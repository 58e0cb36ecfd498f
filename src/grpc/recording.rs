//! Observations of several tasks, each recorded or refused alone.

use std::collections::BTreeMap;
use std::mem;

use tonic::Status;

use crate::domain::StoredTask;
use crate::grpc::status;
use crate::grpc::task::task_name;
use crate::pb::{self, WireError, record_result::Outcome};
use crate::store::{self, Store};

/// Observations in one message at most.
const MAX_OBSERVATIONS: usize = 4_096;

/// Checks that one message does not hold too many.
///
/// # Errors
/// Naming the field.
pub(in crate::grpc) fn check_count(n_observations: usize) -> Result<(), WireError> {
    if n_observations <= MAX_OBSERVATIONS {
        return Ok(());
    }
    let reason = format!("{n_observations} are more than the {MAX_OBSERVATIONS} of one message");
    Err(WireError::new("observations", reason))
}

/// Records what can be recorded, with one call of the store for each task. The outcomes are in the order of
/// `observations`, the first of which the client knows as `observations[first_index]`.
///
/// # Errors
/// When the store fails: then some may be recorded, and the same call may be sent again.
pub(in crate::grpc) async fn record(
    store: &Store,
    observations: Vec<pb::Observation>,
    first_index: usize,
) -> Result<Vec<Outcome>, Status> {
    let outcomes = vec![None; observations.len()];
    let mut recording = Recording { store, first_index, outcomes };
    for (task, items) in by_task(observations) {
        recording.record(&task, items).await?;
    }
    let outcomes = recording.outcomes.into_iter();
    Ok(outcomes.map(|outcome| outcome.expect("every item is of one of the tasks")).collect())
}

/// An observation and its place in the message.
type Item = (usize, pb::Observation);

fn by_task(observations: Vec<pb::Observation>) -> BTreeMap<String, Vec<Item>> {
    let mut tasks: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for (index, mut observation) in observations.into_iter().enumerate() {
        tasks.entry(mem::take(&mut observation.task)).or_default().push((index, observation));
    }
    tasks
}

/// A message that is being recorded.
struct Recording<'a> {
    store: &'a Store,
    first_index: usize,
    /// One for each item, `None` until its task's turn.
    outcomes: Vec<Option<Outcome>>,
}

impl Recording<'_> {
    async fn record(&mut self, task: &str, items: Vec<Item>) -> Result<(), Status> {
        let name = match task_name("task", task) {
            Ok(name) => name,
            Err(error) => {
                for (index, _) in items {
                    self.refuse(index, error.clone().within(self.path(index)));
                }
                return Ok(());
            }
        };
        let refusal = match self.store.task_by_name(&name).await {
            Ok(Some(stored)) => return self.record_of(&stored, items).await,
            Ok(None) => status::not_found("task", name.as_str()),
            Err(error @ store::Error::Corrupt { .. }) => error.into(),
            Err(error) => return Err(error.into()),
        };
        self.refuse_task(items.iter().map(|(index, _)| *index), &refusal);
        Ok(())
    }

    async fn record_of(&mut self, stored: &StoredTask, items: Vec<Item>) -> Result<(), Status> {
        let name = &stored.task.name;
        let (mut indices, mut valid) = (Vec::new(), Vec::new());
        for (index, observation) in items {
            match observation.decode(&stored.task) {
                Ok(observation) => {
                    indices.push(index);
                    valid.push(observation);
                }
                Err(error) => self.refuse(index, error.within(self.path(index))),
            }
        }
        if valid.is_empty() {
            return Ok(());
        }
        match self.store.observations_insert(name, &valid).await {
            Ok(recorded) => {
                for ((index, recorded), sent) in indices.into_iter().zip(recorded).zip(&valid) {
                    self.outcomes[index] = Some(Outcome::new(recorded, sent.measurement()));
                }
            }
            Err(error @ (store::Error::UnknownTask(_) | store::Error::Archived(_))) => {
                self.refuse_task(indices.into_iter(), &error.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Refuses items for what is wrong with their task.
    fn refuse_task(&mut self, indices: impl Iterator<Item = usize>, error: &Status) {
        for index in indices {
            self.refuse(index, status::at_field(error, &format!("{}.task", self.path(index))));
        }
    }

    fn refuse(&mut self, index: usize, error: impl Into<Status>) {
        self.outcomes[index] = Some(Outcome::Error(status::of_item(error)));
    }

    /// The item as the client knows it.
    fn path(&self, index: usize) -> String {
        format!("observations[{}]", self.first_index + index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_are_grouped_by_task_in_their_order() {
        let of_task = |task: &str, seed| pb::Observation { task: task.into(), seed, ..Default::default() };
        let groups = by_task(vec![of_task("b", 0), of_task("a", 1), of_task("b", 2)]);
        let places: Vec<_> = (groups.iter())
            .map(|(task, items)| (task.as_str(), items.iter().map(|(index, _)| *index).collect()))
            .collect();
        assert_eq!(places, [("a", vec![1]), ("b", vec![0, 2])]);
        let seeds: Vec<_> = groups["b"].iter().map(|(_, observation)| observation.seed).collect();
        assert_eq!(seeds, [0, 2]);
    }

    #[test]
    fn a_message_has_so_many_observations_and_no_more() {
        assert_eq!(check_count(4_096), Ok(()));
        assert_eq!(check_count(4_097).expect_err("too many").field(), "observations");
    }
}
