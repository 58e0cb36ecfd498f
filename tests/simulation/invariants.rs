//! What holds whatever happens.

use std::collections::BTreeMap;

use tagates::domain::{
    Measurement, ModelVersionId, PromotionId, RunId, RunState, Sequence, StoredTask, TaskName, TrainingRun,
};
use tagates::model::Checkpoint;
use tagates::store::Store;

use crate::held_fit::label;

/// Attempts that lead nowhere, before a run is failed for good.
const MAX_ATTEMPTS: u32 = 5;
/// More than a schedule makes.
const ALL: u32 = 1_000;

/// An invariant, and how it was broken.
#[derive(Debug, thiserror::Error)]
pub enum Violation {
    /// What was acknowledged is stored, once, under the number that was told, with the value that was sent; the
    /// numbers of a task are 1, 2, 3 and so on.
    #[error("observations of {task}: {what}")]
    Observations { task: TaskName, what: String },
    /// A task has one unfinished run or none.
    #[error("{task} has {n} unfinished runs")]
    UnfinishedRuns { task: TaskName, n: usize },
    /// A run that succeeded made one version, which names it; others made none.
    #[error("run {run:?}: it made {versions:?}")]
    Versions { run: Box<TrainingRun>, versions: Vec<ModelVersionId> },
    /// A version was made by the worker that claimed its run last: the fence.
    #[error("run {run} has the version of training {made_by}, but training {claimed_by:?} claimed it last")]
    MadeByAnotherWorker { run: RunId, made_by: u64, claimed_by: Option<u64> },
    /// Attempts stay below their limit, and an orderly stop counts as none.
    #[error("attempts of run {run:?}")]
    Attempts { run: Box<TrainingRun> },
    /// Each promotion is from the champion before, and the last one is to the champion.
    #[error("history of {task}: {what}")]
    History { task: TaskName, what: String },
    /// After a rollback no run promotes until that is allowed again.
    #[error("run promoted in {task} while promotion was paused: promotion {promotion}")]
    PromotedWhilePaused { task: TaskName, promotion: PromotionId },
    /// The checkpoint of the champion is there, and is the file that its id names.
    #[error("champion {version} of {task}: {what}")]
    Champion { task: TaskName, version: ModelVersionId, what: String },
    /// A replica that looked serves the champion; at any time it serves one that is or was champion.
    #[error("replica serves {served:?} of {task}, whose champion is {champion:?}")]
    Served { task: TaskName, served: Option<ModelVersionId>, champion: Option<ModelVersionId> },
    /// Left alone, with workers that look and time that passes, everything comes to rest.
    #[error("does not come to rest: {0:?}")]
    NoRest(Vec<TrainingRun>),
    /// A worker whose database answers does not fail.
    #[error("worker {worker} failed: {error}")]
    Worker { worker: usize, error: String },
}

/// What is known from outside, to be compared with what is stored.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What was acknowledged of each task: text and value by number.
    pub observations: BTreeMap<TaskName, BTreeMap<Sequence, (String, f64)>>,
    /// The training that each run was last claimed for.
    pub claims: BTreeMap<RunId, u64>,
    /// Whether promotion was paused through the whole of the last operation.
    pub was_paused: BTreeMap<TaskName, bool>,
    /// The newest promotion seen.
    seen: BTreeMap<TaskName, PromotionId>,
}

impl Ledger {
    /// Checks runs, versions and promotions of a task.
    ///
    /// # Errors
    /// With the invariant that does not hold.
    pub async fn check(&mut self, store: &Store, task: &StoredTask) -> Result<(), Violation> {
        let name = &task.task.name;
        let runs = store.runs_page(Some(name), None, ALL).await.expect("an answer");
        let n_unfinished = runs.iter().filter(|run| !run.state.is_final()).count();
        if n_unfinished > 1 {
            return Err(Violation::UnfinishedRuns { task: name.clone(), n: n_unfinished });
        }
        let versions = store.versions_page(name, None, ALL).await.expect("an answer");
        for run in runs {
            let made: Vec<_> = versions.iter().filter(|version| version.run == Some(run.id)).collect();
            let ids = made.iter().map(|version| version.id.clone()).collect();
            let is_as_stated = match run.state {
                RunState::Succeeded => made.len() == 1 && run.version.as_ref() == Some(&made[0].id),
                RunState::Queued | RunState::Running | RunState::Failed | RunState::Cancelled => {
                    made.is_empty() && run.version.is_none()
                }
            };
            if !is_as_stated {
                return Err(Violation::Versions { run: Box::new(run), versions: ids });
            }
            if run.n_attempts > MAX_ATTEMPTS || run.errors.len() != run.n_attempts as usize {
                return Err(Violation::Attempts { run: Box::new(run) });
            }
            for version in made.into_iter().filter(|version| version.is_kept) {
                self.check_maker(store, name, run.id, &version.id).await?;
            }
        }
        self.check_history(store, task).await
    }

    async fn check_maker(
        &self,
        store: &Store,
        task: &TaskName,
        run: RunId,
        version: &ModelVersionId,
    ) -> Result<(), Violation> {
        let made_by = label(&checkpoint(store, task, version).await?);
        let claimed_by = self.claims.get(&run).copied();
        if claimed_by == Some(made_by) {
            Ok(())
        } else {
            Err(Violation::MadeByAnotherWorker { run, made_by, claimed_by })
        }
    }

    async fn check_history(&mut self, store: &Store, task: &StoredTask) -> Result<(), Violation> {
        let name = &task.task.name;
        let mut promotions = store.promotions_page(name, None, ALL).await.expect("an answer");
        promotions.reverse();
        let broken = |what: String| Violation::History { task: name.clone(), what };
        let mut champion = None;
        for promotion in &promotions {
            if promotion.from != champion {
                return Err(broken(format!("{promotion:?} after {champion:?}")));
            }
            champion = Some(promotion.to.clone());
            let is_new = self.seen.get(name).is_none_or(|seen| promotion.id > *seen);
            let was_paused = self.was_paused.get(name) == Some(&true);
            if is_new && was_paused && promotion.who.starts_with("run ") {
                let promotion = promotion.id;
                return Err(Violation::PromotedWhilePaused { task: name.clone(), promotion });
            }
        }
        if let Some(last) = promotions.last() {
            self.seen.insert(name.clone(), last.id);
        }
        let stored = store.champion_of(name).await.expect("an answer");
        if stored != champion {
            return Err(broken(format!("champion is {stored:?}, the last promotion was to {champion:?}")));
        }
        if let Some(champion) = &champion {
            checkpoint(store, name, champion).await?;
        }
        Ok(())
    }

    /// Checks the observations of a task.
    ///
    /// # Errors
    /// With what is not as it was acknowledged.
    pub async fn check_observations(&self, store: &Store, task: &StoredTask) -> Result<(), Violation> {
        let name = &task.task.name;
        let nothing = BTreeMap::new();
        let acknowledged = self.observations.get(name).unwrap_or(&nothing);
        let page = store.snapshot_page(name, task.last_sequence, Sequence(0), ALL).await.expect("an answer");
        let stored: BTreeMap<Sequence, (String, f64)> = page
            .iter()
            .map(|row| {
                let observation = &row.observation;
                let Measurement::Value(value) = observation.measurement() else {
                    panic!("only values are sent")
                };
                (row.sequence, (observation.key().architecture.text().to_owned(), *value))
            })
            .collect();
        let numbers: Vec<i64> = stored.keys().map(|sequence| sequence.0).collect();
        let what = if !numbers.iter().copied().eq(1..=task.last_sequence.0) {
            format!("the numbers up to {} are {numbers:?}", task.last_sequence)
        } else if stored != *acknowledged {
            format!("{} are stored, {} were acknowledged, or they differ", stored.len(), acknowledged.len())
        } else {
            return Ok(());
        };
        Err(Violation::Observations { task: name.clone(), what })
    }
}

/// A kept checkpoint, which is the file that its id names.
async fn checkpoint(
    store: &Store,
    task: &TaskName,
    version: &ModelVersionId,
) -> Result<Checkpoint, Violation> {
    let broken = |what: String| Violation::Champion { task: task.clone(), version: version.clone(), what };
    let bytes = store.checkpoint_of(task, version).await.map_err(|error| broken(error.to_string()))?;
    let bytes = bytes.ok_or_else(|| broken("its checkpoint is gone".to_owned()))?;
    let checkpoint = Checkpoint::from_bytes(&bytes).map_err(|error| broken(error.to_string()))?;
    if ModelVersionId::of_digest(&checkpoint.digest()) == *version {
        Ok(checkpoint)
    } else {
        Err(broken("its checkpoint is another".to_owned()))
    }
}
