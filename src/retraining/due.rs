//! Is a training run due? A pure function of what is known of a task, its policy and the time.

use std::fmt;
use std::time::Duration;

use crate::domain::{RetrainingPolicy, Sequence, Timestamp};

/// Wait after the first run in a row that failed for good; it doubles with each further one.
const FIRST_BACK_OFF: Duration = Duration::from_mins(1);
/// Wait after a run that failed for good, at most.
const LONGEST_BACK_OFF: Duration = Duration::from_hours(6);

/// What is known of a task, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Facts {
    /// Whether it is archived.
    pub is_archived: bool,
    /// Observations that are not retracted.
    pub n_observations: u64,
    /// The number of the last observation or retraction.
    pub last_sequence: Sequence,
    /// Whether a run waits or is under way.
    pub has_unfinished_run: bool,
    /// The last run that ended, however it did.
    pub last_run: Option<PastRun>,
    /// Runs that failed for good since the last one that did not.
    pub n_failures: u32,
}

/// A run that ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastRun {
    /// It saw what was live at this number.
    pub up_to: Sequence,
    /// Observations it saw.
    pub n_observations: u64,
    /// Observations recorded since that are not retracted.
    pub n_new: u64,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// Whether a run is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Due {
    /// It is.
    Now(Reason),
    /// It is not.
    NotYet(Why),
}

/// Why a run is due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// There are enough observations for the first run.
    First,
    /// Enough is new since the last run.
    EnoughNew,
    /// Something is new and the last run is too long ago.
    Stale,
}

/// Why a run is not due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    /// The policy says never.
    Disabled,
    /// The task is archived.
    Archived,
    /// One run at a time.
    Unfinished,
    /// Fewer observations than the policy asks for.
    TooFew {
        /// How many there are.
        have: u64,
        /// How many it takes.
        need: u64,
    },
    /// The last run saw all there is.
    NothingNew,
    /// The last run is too short ago, or seems to end in the future.
    CoolingDown {
        /// How long runs are apart, at least; longer after failures.
        wait: Duration,
    },
    /// Too little is new since the last run.
    TooFewNew {
        /// How many are.
        have: u64,
        /// Share of those the last run saw.
        share: f64,
    },
}

/// Says whether a run is due at `now`. Whatever is in doubt, as a share that is no number or a clock that
/// was set back, is a reason to wait.
#[must_use]
pub fn is_due(facts: &Facts, policy: &RetrainingPolicy, now: Timestamp) -> Due {
    if !policy.is_enabled {
        return Due::NotYet(Why::Disabled);
    }
    if facts.is_archived {
        return Due::NotYet(Why::Archived);
    }
    if facts.has_unfinished_run {
        return Due::NotYet(Why::Unfinished);
    }
    let (have, need) = (facts.n_observations, u64::from(policy.min_observations).max(1));
    if have < need {
        return Due::NotYet(Why::TooFew { have, need });
    }
    let Some(last) = facts.last_run else { return Due::Now(Reason::First) };
    if facts.last_sequence <= last.up_to {
        return Due::NotYet(Why::NothingNew);
    }
    let wait = Duration::from_secs(u64::from(policy.cool_down_s)).max(back_off(facts.n_failures));
    let elapsed = elapsed(last.ended_at, now);
    if elapsed.is_none_or(|elapsed| elapsed < wait) {
        return Due::NotYet(Why::CoolingDown { wait });
    }
    let share = last.n_new as f64 / last.n_observations as f64;
    if last.n_new >= u64::from(policy.min_new_observations).max(1) && share >= policy.min_new_share {
        return Due::Now(Reason::EnoughNew);
    }
    let staleness = policy.max_staleness_s.map(|seconds| Duration::from_secs(u64::from(seconds)));
    if staleness.is_some_and(|staleness| elapsed >= Some(staleness)) {
        return Due::Now(Reason::Stale);
    }
    Due::NotYet(Why::TooFewNew { have: last.n_new, share })
}

/// How long to wait after so many failures in a row.
#[must_use]
pub fn back_off(n_failures: u32) -> Duration {
    match n_failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => {
            FIRST_BACK_OFF.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_BACK_OFF)
        }
    }
}

/// `None` where `since` is later than `now`.
fn elapsed(since: Timestamp, now: Timestamp) -> Option<Duration> {
    let micros = now.unix_micros.checked_sub(since.unix_micros)?;
    u64::try_from(micros).ok().map(Duration::from_micros)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "enough was observed for a first run",
            Self::EnoughNew => "enough was observed since the last run",
            Self::Stale => "the last run is too long ago",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("the policy says never"),
            Self::Archived => f.write_str("the task is archived"),
            Self::Unfinished => f.write_str("a run is not finished yet"),
            Self::TooFew { have, need } => write!(f, "{have} observations of {need}"),
            Self::NothingNew => f.write_str("nothing is new since the last run"),
            Self::CoolingDown { wait } => write!(f, "the last run is less than {wait:?} ago"),
            Self::TooFewNew { have, share } => {
                write!(f, "{have} observations are new, {:.1} % of those before", 100.0 * share)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp { unix_micros: 2_000_000_000_000_000 };

    fn seconds_ago(seconds: i64) -> Timestamp {
        Timestamp { unix_micros: NOW.unix_micros - seconds * 1_000_000 }
    }

    /// A task whose last run, an hour ago, saw the first 100 of 140 observations.
    fn facts() -> Facts {
        Facts {
            is_archived: false,
            n_observations: 140,
            last_sequence: Sequence(140),
            has_unfinished_run: false,
            last_run: Some(past_run()),
            n_failures: 0,
        }
    }

    fn past_run() -> PastRun {
        PastRun { up_to: Sequence(100), n_observations: 100, n_new: 40, ended_at: seconds_ago(3_600) }
    }

    fn with_run(change: impl FnOnce(&mut PastRun)) -> Facts {
        let mut run = past_run();
        change(&mut run);
        Facts { last_run: Some(run), ..facts() }
    }

    fn policy() -> RetrainingPolicy {
        RetrainingPolicy::default()
    }

    #[test]
    fn a_run_is_due_when_enough_is_known_and_new_and_the_last_one_is_long_enough_ago() {
        let wait = |seconds| Due::NotYet(Why::CoolingDown { wait: Duration::from_secs(seconds) });
        let few_new = |have: u64, share: f64| Due::NotYet(Why::TooFewNew { have, share });
        let stale_after = |seconds| RetrainingPolicy { max_staleness_s: Some(seconds), ..policy() };
        #[rustfmt::skip]
        let cases = [
            ("enough new", facts(), policy(), Due::Now(Reason::EnoughNew)),
            ("disabled", facts(), RetrainingPolicy { is_enabled: false, ..policy() }, Due::NotYet(Why::Disabled)),
            ("archived", Facts { is_archived: true, ..facts() }, policy(), Due::NotYet(Why::Archived)),
            ("unfinished", Facts { has_unfinished_run: true, ..facts() }, policy(), Due::NotYet(Why::Unfinished)),
            ("first", Facts { last_run: None, n_observations: 50, ..facts() }, policy(), Due::Now(Reason::First)),
            ("too few", Facts { last_run: None, n_observations: 49, ..facts() }, policy(),
                Due::NotYet(Why::TooFew { have: 49, need: 50 })),
            ("retracted since", Facts { n_observations: 49, ..facts() }, policy(),
                Due::NotYet(Why::TooFew { have: 49, need: 50 })),
            ("nothing at all", Facts { last_run: None, n_observations: 0, ..facts() },
                RetrainingPolicy { min_observations: 0, ..policy() }, Due::NotYet(Why::TooFew { have: 0, need: 1 })),
            ("nothing new", Facts { last_sequence: Sequence(100), ..facts() }, policy(), Due::NotYet(Why::NothingNew)),
            ("cooling down", with_run(|run| run.ended_at = seconds_ago(59)), policy(), wait(60)),
            ("cooled down", with_run(|run| run.ended_at = seconds_ago(60)), policy(), Due::Now(Reason::EnoughNew)),
            ("clock set back", with_run(|run| run.ended_at = seconds_ago(-10)), policy(), wait(60)),
            ("backing off", Facts { n_failures: 10, ..facts() }, policy(), wait(6 * 3_600)),
            ("backed off", Facts { n_failures: 3, ..facts() }, policy(), Due::Now(Reason::EnoughNew)),
            ("few new", with_run(|run| run.n_new = 19), policy(), few_new(19, 0.19)),
            ("small share", with_run(|run| run.n_observations = 500), policy(), few_new(40, 0.08)),
            ("no share", facts(), RetrainingPolicy { min_new_share: f64::NAN, ..policy() }, few_new(40, 0.4)),
            ("stale", with_run(|run| run.n_new = 1), stale_after(3_600), Due::Now(Reason::Stale)),
            ("only a retraction", with_run(|run| run.n_new = 0), stale_after(3_600), Due::Now(Reason::Stale)),
            ("not stale", with_run(|run| run.n_new = 1), stale_after(3_601), few_new(1, 0.01)),
            ("nothing to be stale", Facts { last_sequence: Sequence(100), ..facts() }, stale_after(1),
                Due::NotYet(Why::NothingNew)),
            ("the last one saw nothing", with_run(|run| run.n_observations = 0), policy(), Due::Now(Reason::EnoughNew)),
        ];
        for (name, facts, policy, due) in cases {
            assert_eq!(is_due(&facts, &policy, NOW), due, "{name}");
        }
    }

    #[test]
    fn the_wait_doubles_with_each_failure_up_to_a_limit() {
        let waits: Vec<u64> = [0, 1, 2, 3, 9, 10, 33, u32::MAX].map(|n| back_off(n).as_secs()).to_vec();
        assert_eq!(waits, [0, 60, 120, 240, 15_360, 21_600, 21_600, 21_600]);
    }
}
