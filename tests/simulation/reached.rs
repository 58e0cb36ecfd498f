//! What the schedules came to, so that none of it is missing.

use std::ops::AddAssign;

use tagates::domain::RunState;
use tagates::store::Store;

/// More than a schedule makes.
const ALL: u32 = 1_000;

/// How often what is interesting happened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reached {
    pub succeeded: usize,
    pub failed: usize,
    pub cancelled: usize,
    /// Attempts that led nowhere.
    pub attempts: usize,
    /// Claims of runs that another worker still trains for.
    pub overtaken: usize,
    /// Trainings that went on from the state of a stopped one.
    pub resumed: usize,
    pub promoted_by_run: usize,
    pub promoted_by_hand: usize,
    pub rolled_back: usize,
}

impl Reached {
    /// What a store tells.
    pub async fn of(store: &Store) -> Self {
        let mut reached = Self::default();
        for run in store.runs_page(None, None, ALL).await.expect("an answer") {
            reached.attempts += run.n_attempts as usize;
            match run.state {
                RunState::Queued | RunState::Running => {}
                RunState::Succeeded => reached.succeeded += 1,
                RunState::Failed => reached.failed += 1,
                RunState::Cancelled => reached.cancelled += 1,
            }
        }
        for stored in store.tasks_page(None, ALL, true).await.expect("an answer") {
            for promotion in store.promotions_page(&stored.task.name, None, ALL).await.expect("an answer") {
                if promotion.rolls_back.is_some() {
                    reached.rolled_back += 1;
                } else if promotion.who.starts_with("run ") {
                    reached.promoted_by_run += 1;
                } else {
                    reached.promoted_by_hand += 1;
                }
            }
        }
        reached
    }

    /// Whether everything happened at least once.
    pub fn is_everything(&self) -> bool {
        let Self { succeeded, failed, cancelled, attempts, overtaken, resumed, .. } = *self;
        let Self { promoted_by_run, promoted_by_hand, rolled_back, .. } = *self;
        let runs = [succeeded, failed, cancelled, attempts, overtaken, resumed];
        let champions = [promoted_by_run, promoted_by_hand, rolled_back];
        !runs.contains(&0) && !champions.contains(&0)
    }
}

impl AddAssign for Reached {
    fn add_assign(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.attempts += other.attempts;
        self.overtaken += other.overtaken;
        self.resumed += other.resumed;
        self.promoted_by_run += other.promoted_by_run;
        self.promoted_by_hand += other.promoted_by_hand;
        self.rolled_back += other.rolled_back;
    }
}
