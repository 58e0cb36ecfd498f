//! Which tasks are served, and by which model: what a call is resolved against, in memory.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::{Budget, ModelVersionId, SaliencyProxy, ScoreKind, StoredTask, Task, TaskName};
use crate::model::Model;
use crate::serving::Error;

/// A loaded model version. It stays loaded as long as a call needs it.
#[derive(Debug)]
pub struct Version {
    /// Its name.
    pub id: ModelVersionId,
    /// What its scores mean.
    pub score_kind: ScoreKind,
    /// For each scored step, in order, the budget it was trained to predict. Not empty.
    pub step_budgets: Vec<Option<Budget>>,
    /// Only the model thread asks it.
    pub(in crate::serving) model: Arc<Model>,
}

impl Version {
    /// Describes `model` as the version `id`.
    pub(in crate::serving) fn new(id: ModelVersionId, model: Arc<Model>) -> Self {
        Self {
            id,
            score_kind: if model.is_calibrated() { ScoreKind::Metric } else { ScoreKind::Rank },
            step_budgets: model.header().steps.iter().map(|head| head.budget.map(Budget)).collect(),
            model,
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

/// A task that is to be served, and how its saliencies are measured.
#[derive(Clone, Debug)]
pub struct ServedTask {
    /// The task.
    pub task: Task,
    /// Not at all where `None`.
    pub saliency_proxy: Option<SaliencyProxy>,
}

impl From<StoredTask> for ServedTask {
    fn from(stored: StoredTask) -> Self {
        Self { task: stored.task, saliency_proxy: stored.saliency_proxy }
    }
}

/// The tasks that are served, each with its champion where it has one.
#[derive(Debug, Default)]
pub(in crate::serving) struct Catalog {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    tasks: BTreeMap<TaskName, Entry>,
    /// Whether there are no other tasks. Until then nobody can say that there is no such task.
    are_all: bool,
}

/// Former champions of a task that stay loaded for calls that name them: a controller compares scores of
/// several calls, which only mean something among those of one version.
const N_FORMER: usize = 3;

#[derive(Debug)]
struct Entry {
    task: Arc<Task>,
    saliency_proxy: Option<SaliencyProxy>,
    champion: Option<Arc<Version>>,
    /// The version that should be champion and could not be loaded.
    refused: Option<ModelVersionId>,
    /// The last champions before it, the latest first.
    former: VecDeque<Arc<Version>>,
}

impl Entry {
    fn of(task: Task) -> Self {
        Self {
            task: Arc::new(task),
            saliency_proxy: None,
            champion: None,
            refused: None,
            former: VecDeque::new(),
        }
    }

    fn loaded(&self, version: &ModelVersionId) -> Option<&Arc<Version>> {
        self.champion.iter().chain(&self.former).find(|loaded| loaded.id == *version)
    }

    fn crown(&mut self, version: Arc<Version>) {
        self.refused = None;
        self.former.retain(|former| former.id != version.id);
        if let Some(before) = self.champion.take_if(|before| before.id != version.id) {
            self.former.push_front(before);
            self.former.truncate(N_FORMER);
        }
        self.champion = Some(version);
    }
}

impl Catalog {
    /// The task of that name, or the only one, with the version asked for, or its champion.
    ///
    /// # Errors
    /// When there is no such task, no such version of it, none at all, or no name where one is needed; or
    /// when nobody has said yet which tasks there are.
    pub fn target(&self, task: Option<&TaskName>, version: Option<&ModelVersionId>) -> Result<Target, Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let tasks = &known.tasks;
        let entry = match task {
            Some(name) => match tasks.get(name) {
                Some(entry) => entry,
                None if known.are_all => return Err(Error::UnknownTask { task: name.clone() }),
                None => return Err(Error::NotReady),
            },
            None if !known.are_all => return Err(Error::NotReady),
            None => {
                only(tasks).ok_or_else(|| Error::TaskNotNamed { known: tasks.keys().cloned().collect() })?
            }
        };
        let task = &entry.task;
        let champion = match (&entry.champion, &entry.refused) {
            (Some(champion), _) => champion,
            (None, Some(version)) => {
                return Err(Error::NotLoaded { task: task.name.clone(), version: version.clone() });
            }
            (None, None) => return Err(Error::NoModel { task: task.name.clone() }),
        };
        let version = match version {
            Some(asked) => entry.loaded(asked).ok_or_else(|| Error::UnknownVersion {
                task: task.name.clone(),
                asked: asked.clone(),
                current: champion.id.clone(),
            })?,
            None => champion,
        };
        Ok(Target { task: task.clone(), version: version.clone() })
    }

    /// The id of the champion that answers for a task.
    pub fn champion(&self, task: &TaskName) -> Option<ModelVersionId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Some(known.tasks.get(task)?.champion.as_ref()?.id.clone())
    }

    /// How saliencies of a task are measured, where it opted in.
    pub fn saliency_proxy(&self, task: &TaskName) -> Option<SaliencyProxy> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.tasks.get(task)?.saliency_proxy.clone()
    }

    /// From now on calls for the task are answered by this version, unless they name another one that is
    /// still loaded. Those under way keep theirs.
    pub fn swap(&self, target: Target) {
        let Target { task, version } = target;
        self.write(|known| {
            let entry = known.tasks.entry(task.name.clone()).or_insert_with(|| Entry::of((*task).clone()));
            entry.crown(version);
        });
    }

    /// The version that should answer for a task cannot be loaded. The one before, if any, goes on.
    pub fn refuse(&self, task: &Task, version: ModelVersionId) {
        self.write(|known| {
            let entry = known.tasks.entry(task.name.clone()).or_insert_with(|| Entry::of(task.clone()));
            entry.refused = Some(version);
        });
    }

    /// The champion of a task is the one that should be, whatever could not be loaded before.
    pub fn forget_refused(&self, task: &TaskName) {
        self.write(|known| {
            if let Some(entry) = known.tasks.get_mut(task) {
                entry.refused = None;
            }
        });
    }

    /// The version of a task that should be champion and could not be loaded.
    pub fn refused(&self, task: &TaskName) -> Option<ModelVersionId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.tasks.get(task)?.refused.clone()
    }

    /// Exactly these tasks are known from now on. Those that were known keep their champions.
    pub fn know(&self, tasks: Vec<ServedTask>) {
        self.write(|known| {
            let mut before = std::mem::take(&mut known.tasks);
            for ServedTask { task, saliency_proxy } in tasks {
                let name = task.name.clone();
                let entry = before.remove(&name).unwrap_or_else(|| Entry::of(task));
                known.tasks.insert(name, Entry { saliency_proxy, ..entry });
            }
            known.are_all = true;
        });
    }

    fn write<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}

fn only(tasks: &BTreeMap<TaskName, Entry>) -> Option<&Entry> {
    let mut entries = tasks.values();
    entries.next().filter(|_| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(task: &str, version: &str) -> Target {
        let version = Version::new(ModelVersionId(version.into()), Model::sample());
        Target { task: Arc::new(self::task(task)), version: Arc::new(version) }
    }

    fn catalog(tasks: &[&str]) -> Catalog {
        let catalog = Catalog::default();
        for task in tasks {
            catalog.swap(target(task, &format!("{task}-1")));
        }
        catalog.know(tasks.iter().map(|name| served(name)).collect());
        catalog
    }

    fn task(task: &str) -> Task {
        Task { name: name(task), ..Task::nasbench201_cifar10() }
    }

    fn served(task: &str) -> ServedTask {
        ServedTask { task: self::task(task), saliency_proxy: None }
    }

    fn name(task: &str) -> TaskName {
        TaskName::new(task).expect("a task name")
    }

    #[test]
    fn a_task_may_stay_unnamed_where_it_is_the_only_one() {
        let one = catalog(&["a"]);
        assert_eq!(one.target(None, None).expect("the only task").task.name.as_str(), "a");

        let two = catalog(&["a", "b"]);
        let error = two.target(None, None).expect_err("two tasks");
        assert_eq!(error.to_string(), "name a task: 2 are served (a, b)");
        assert_eq!(two.target(Some(&name("b")), None).expect("named").task.name.as_str(), "b");
    }

    #[test]
    fn an_unknown_task_or_version_is_named_in_the_error() {
        let catalog = catalog(&["a"]);
        let unknown = name("c");
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
    fn until_all_tasks_are_known_nobody_says_that_there_is_none() {
        let catalog = Catalog::default();
        assert!(matches!(catalog.target(None, None), Err(Error::NotReady)));
        assert!(matches!(catalog.target(Some(&name("b")), None), Err(Error::NotReady)));
        catalog.swap(target("a", "a-1"));
        assert!(matches!(catalog.target(None, None), Err(Error::NotReady)), "there may be others");
        assert!(catalog.target(Some(&name("a")), None).is_ok());
        catalog.know(Vec::new());
        assert!(matches!(catalog.target(None, None), Err(Error::TaskNotNamed { .. })));
    }

    #[test]
    fn a_single_score_is_no_anytime_model() {
        assert!(matches!(target("a", "1").require_steps(), Err(Error::NoSteps { .. })));
    }

    #[test]
    fn a_swap_leaves_calls_under_way_their_version_and_other_tasks_alone() {
        let catalog = catalog(&["a", "b"]);
        let under_way = catalog.target(Some(&name("a")), None).expect("served");
        catalog.swap(target("a", "a-2"));
        assert_eq!(under_way.version.id.0, "a-1");
        assert_eq!(catalog.target(Some(&name("a")), None).expect("served").version.id.0, "a-2");
        assert_eq!(catalog.champion(&name("b")).expect("served").0, "b-1");
    }

    #[test]
    fn a_champion_that_cannot_be_loaded_leaves_the_one_before_or_is_named() {
        let catalog = catalog(&["a"]);
        let task = |task| Task { name: name(task), ..Task::nasbench201_cifar10() };
        catalog.refuse(&task("a"), ModelVersionId("a-2".into()));
        catalog.refuse(&task("b"), ModelVersionId("b-1".into()));
        assert_eq!(catalog.target(Some(&name("a")), None).expect("the one before").version.id.0, "a-1");
        let error = catalog.target(Some(&name("b")), None).expect_err("nothing before");
        assert!(error.to_string().contains("b-1"), "{error}");
        catalog.swap(target("b", "b-2"));
        assert_eq!(catalog.refused(&name("b")), None);
        // Rolled back to the one before.
        catalog.forget_refused(&name("a"));
        assert_eq!(
            (catalog.refused(&name("a")), catalog.champion(&name("a"))),
            (None, Some(ModelVersionId("a-1".into())))
        );
    }

    #[test]
    fn the_last_champions_answer_calls_that_name_them() {
        let catalog = catalog(&["a"]);
        for version in ["a-2", "a-3", "a-4", "a-5", "a-2"] {
            catalog.swap(target("a", version));
        }
        let asked = |version: &str| catalog.target(None, Some(&ModelVersionId(version.into())));
        for loaded in ["a-2", "a-5", "a-4", "a-3"] {
            assert_eq!(asked(loaded).expect("still loaded").version.id.0, loaded);
        }
        assert!(matches!(asked("a-1"), Err(Error::UnknownVersion { .. })));
        assert_eq!(catalog.target(None, None).expect("served").version.id.0, "a-2");
    }

    #[test]
    fn a_task_without_champion_is_known_but_has_no_model() {
        let catalog = catalog(&["a", "b"]);
        let saliency_proxy = Some(SaliencyProxy { name: "small".to_owned(), seed: 3 });
        catalog
            .know(vec![ServedTask { saliency_proxy: saliency_proxy.clone(), ..served("a") }, served("new")]);
        assert_eq!(catalog.saliency_proxy(&name("a")), saliency_proxy);
        catalog.swap(target("a", "a-1"));
        assert_eq!(catalog.saliency_proxy(&name("a")), saliency_proxy, "a swap changes no setting");
        assert_eq!(catalog.saliency_proxy(&name("new")), None);
        assert_eq!(catalog.champion(&name("a")).expect("kept").0, "a-1");
        assert!(matches!(catalog.target(Some(&name("new")), None), Err(Error::NoModel { .. })));
        assert!(matches!(catalog.target(Some(&name("b")), None), Err(Error::UnknownTask { .. })));
    }
}
