//! Which tasks are served, and by which model: what a call is resolved against, in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Budget, ModelVersionId, ScoreKind, Task, TaskName};
use crate::model::Model;
use crate::serving::Error;

/// A loaded model version, as callers need to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its name.
    pub id: ModelVersionId,
    /// What its scores mean.
    pub score_kind: ScoreKind,
    /// For each scored step, in order, the budget it was trained to predict. Not empty.
    pub step_budgets: Vec<Option<Budget>>,
}

impl Version {
    /// Describes `model` as the version `id`.
    pub(in crate::serving) fn of(model: &Model, id: ModelVersionId) -> Self {
        Self {
            id,
            score_kind: if model.is_calibrated() { ScoreKind::Metric } else { ScoreKind::Rank },
            step_budgets: model.header().steps.iter().map(|head| head.budget.map(Budget)).collect(),
        }
    }
}

/// Who shall score: a task and one of its model versions.
#[derive(Clone, Debug)]
pub struct Target {
    /// The task.
    pub task: Arc<Task>,
    /// The version, fixed for the whole call.
    pub version: Arc<Version>,
}

impl Target {
    /// Checks that the version scores at more than one step.
    ///
    /// # Errors
    /// When it has a single score.
    pub fn require_steps(&self) -> Result<(), Error> {
        if self.version.step_budgets.len() > 1 {
            Ok(())
        } else {
            Err(Error::NoSteps { task: self.task.name.clone(), version: self.version.id.clone() })
        }
    }
}

/// The tasks that are served, each with its current version.
#[derive(Debug)]
pub(in crate::serving) struct Catalog {
    current: BTreeMap<TaskName, Target>,
}

impl FromIterator<Target> for Catalog {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        Self { current: targets.into_iter().map(|target| (target.task.name.clone(), target)).collect() }
    }
}

impl Catalog {
    /// The task of that name, or the only one, with the version asked for, or the current one.
    ///
    /// # Errors
    /// When there is no such task, no such version of it, or no name where one is needed.
    pub fn target(&self, task: Option<&TaskName>, version: Option<&ModelVersionId>) -> Result<Target, Error> {
        let target = match task {
            Some(task) => self.current.get(task).ok_or_else(|| Error::UnknownTask { task: task.clone() })?,
            None => self
                .only()
                .ok_or_else(|| Error::TaskNotNamed { known: self.current.keys().cloned().collect() })?,
        };
        match version {
            Some(asked) if *asked != target.version.id => Err(Error::UnknownVersion {
                task: target.task.name.clone(),
                asked: asked.clone(),
                current: target.version.id.clone(),
            }),
            _ => Ok(target.clone()),
        }
    }

    fn only(&self) -> Option<&Target> {
        let mut targets = self.current.values();
        targets.next().filter(|_| targets.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(name: &str) -> Target {
        let task = Task { name: TaskName::new(name).expect("a task name"), ..Task::nasbench201_cifar10() };
        let version = Version {
            id: ModelVersionId(format!("{name}-1")),
            score_kind: ScoreKind::Rank,
            step_budgets: vec![None],
        };
        Target { task: Arc::new(task), version: Arc::new(version) }
    }

    #[test]
    fn a_task_may_stay_unnamed_where_it_is_the_only_one() {
        let one: Catalog = [target("a")].into_iter().collect();
        assert_eq!(one.target(None, None).expect("the only task").task.name.as_str(), "a");

        let two: Catalog = [target("a"), target("b")].into_iter().collect();
        let error = two.target(None, None).expect_err("two tasks");
        assert_eq!(error.to_string(), "name a task: 2 are served (a, b)");
        assert_eq!(two.target(Some(&target("b").task.name), None).expect("named").task.name.as_str(), "b");
    }

    #[test]
    fn an_unknown_task_or_version_is_named_in_the_error() {
        let catalog: Catalog = [target("a")].into_iter().collect();
        let unknown = TaskName::new("c").expect("a task name");
        assert!(
            matches!(catalog.target(Some(&unknown), None), Err(Error::UnknownTask { task }) if task == unknown)
        );

        let pinned = ModelVersionId("a-0".into());
        assert!(matches!(
            catalog.target(None, Some(&pinned)),
            Err(Error::UnknownVersion { asked, current, .. }) if asked == pinned && current.0 == "a-1"
        ));
        assert!(catalog.target(None, Some(&ModelVersionId("a-1".into()))).is_ok());
    }

    #[test]
    fn a_single_score_is_no_anytime_model() {
        assert!(matches!(target("a").require_steps(), Err(Error::NoSteps { .. })));
    }
}
