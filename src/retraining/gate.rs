//! May a challenger replace the champion? A pure function of what both say of the same holdout rows.
//!
//! Three things have to hold. The challenger's own tau is above 0 at its lower bound: where labels are
//! noise, or the holdout is too small to tell, nothing is promoted, however bad the champion. Its tau is
//! higher than the champion's. And the lower bound of the difference, by paired bootstrap, is above minus
//! the policy's margin. The first condition is also what keeps noise out where the champion itself is no
//! better than chance: there, with many rows, the margin alone would let through every second challenger.
//!
//! Both bounds are one-sided, at levels that fit what they guard against. Better than chance is asked at 99.9 %
//! ([`CHANCE_TAIL`]), for a task is retrained again and again, on much the same holdout, and noise must never win.
//! Measured, of challengers that are noise with no champion (20,000 draws for 10 rows, 10,000 for 20, 4,000 for
//! 50, 3,000 for 100, 2,000 for 400): .7 to 1.1 % are promoted at a level of 99 %, 0 to .17 % at 99.9 %. The gain is
//! asked at the usual 95 % ([`GAIN_TAIL`]): whoever comes so far ranks better than chance and better than the
//! champion on the rows there are, and the margin says what loss would be borne. Few rows leave that bound far
//! below the gain all the same: by .14 on 17 rows, in a controller's search. The price of the first level is that a
//! first champion takes evidence; so often it is promoted, by its true tau:
//!
//! | rows | tau .50 | .65 | .75 | .85 |
//! |---|---|---|---|---|
//! | 10 | 3 % | 23 % | 46 % | 76 % |
//! | 15 | 24 % | 73 % | 94 % | 100 % |
//! | 20 | 54 % | 96 % | 100 % | 100 % |
//! | 30 | 92 % | 100 % | 100 % | 100 % |

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{Budget, GateMargins};
use crate::metrics::{Bootstrap, Bounded};

/// Samples of each bootstrap.
pub const N_SAMPLES: usize = 4_000;
/// Share of the samples below the lower bound of a tau.
pub const CHANCE_TAIL: f64 = 0.001;
/// Share of the samples below the lower bound of a gain.
pub const GAIN_TAIL: f64 = 0.05;
/// The same judgement has the same decision.
const SEED: u64 = 0;

/// What challenger and champion say of the same rows, and whether it may have consequences.
#[derive(Clone, Copy, Debug)]
pub struct Judgement<'a> {
    /// What was measured of each row of the holdout: larger is better, infeasible is minus infinity.
    pub merits: &'a [f64],
    /// At which budget.
    pub budget: Budget,
    /// The new version.
    pub challenger: Contender<'a>,
    /// The version it may replace, where there is one.
    pub champion: Option<Contender<'a>>,
    /// Whether promotions happen by hand only.
    pub is_paused: bool,
}

/// A version that is judged.
#[derive(Clone, Copy, Debug)]
pub struct Contender<'a> {
    /// Of each row of the holdout, larger is better.
    pub scores: &'a [f64],
    /// The largest budget it predicts, where it says.
    pub last_budget: Option<Budget>,
    /// Whether it predicts in the unit of the task.
    pub is_calibrated: bool,
    /// Whether the holdout was kept back from it.
    pub training: Known,
}

/// What is known of the rows a version was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// None of them is of the holdout.
    KeptBack,
    /// Some may be of the holdout, so that its tau may be too good.
    Unknown,
}

/// What was decided, and on what grounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The decision and its reason.
    pub verdict: Verdict,
    /// The numbers it rests on.
    pub figures: Figures,
}

/// Whether the challenger becomes champion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Promote(Promote),
    /// It does not: a champion stays what it is, and none stays none.
    Keep(Keep),
}

/// Why the challenger becomes champion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promote {
    /// There is no champion, and it is better than chance.
    FirstChampion,
    /// It is better than the champion.
    Better,
    /// It is better than the champion, of which nobody knows whether it was trained on the holdout.
    BetterThanUnknown,
}

/// Why the challenger does not become champion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Too few labelled rows to judge by.
    HoldoutTooSmall {
        /// How many it takes.
        need: u32,
    },
    /// The challenger has no tau: labels or its scores are all the same, or no numbers.
    ChallengerUndefined,
    /// The champion has no tau.
    ChampionUndefined,
    /// The challenger may be no better than chance.
    NotAboveChance,
    /// The champion predicts a larger budget.
    SmallerBudget {
        /// The champion's.
        champion: Budget,
    },
    /// The champion predicts in the unit of the task and the challenger only ranks.
    NoUnit,
    /// The challenger's tau is not higher.
    NoGain,
    /// The challenger may be worse by more than the margin.
    MayBeWorse,
    /// It would have been promoted, but promotions happen by hand only.
    Paused,
}

/// The numbers of a decision. Those that do not exist are absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Rows judged by.
    pub n_holdout: usize,
    /// The budget judged at.
    pub budget: Budget,
    /// The challenger's tau.
    pub challenger: Option<Tau>,
    /// The champion's tau.
    pub champion: Option<Tau>,
    /// How much higher the challenger's is.
    pub gain: Option<Tau>,
    /// What is known of the champion's training.
    pub champion_training: Option<Known>,
    /// The lower bound of the gain must be above minus this.
    pub max_tau_loss: f64,
    /// Share of bootstrap samples below the lower bound of a tau.
    pub chance_tail: f64,
    /// Share of bootstrap samples below the lower bound of the gain.
    pub gain_tail: f64,
}

/// Kendall's tau, or a difference of two, with its lower bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tau {
    /// On the rows as they are.
    pub estimate: f64,
    /// How low it may be.
    pub lower: f64,
}

impl From<Bounded> for Tau {
    fn from(Bounded { estimate, lower }: Bounded) -> Self {
        Self { estimate, lower }
    }
}

/// Decides whether the challenger becomes champion. Whatever is in doubt keeps the champion.
///
/// # Panics
/// When scores and merits are not of the same rows.
#[must_use]
pub fn decide(judgement: &Judgement<'_>, margins: &GateMargins) -> Decision {
    let Judgement { merits, budget, challenger, champion, .. } = *judgement;
    let bootstrap = |tail| Bootstrap { n_samples: N_SAMPLES, tail, seed: SEED };
    let tau = |contender: Contender<'_>| {
        bootstrap(CHANCE_TAIL).kendall_tau(contender.scores, merits).map(Tau::from)
    };
    let gain = |champion: Contender<'_>| {
        bootstrap(GAIN_TAIL).kendall_tau_gain(challenger.scores, champion.scores, merits).map(Tau::from)
    };
    let figures = Figures {
        n_holdout: merits.len(),
        budget,
        challenger: tau(challenger),
        champion: champion.and_then(tau),
        gain: champion.and_then(gain),
        champion_training: champion.map(|champion| champion.training),
        max_tau_loss: margins.max_tau_loss,
        chance_tail: CHANCE_TAIL,
        gain_tail: GAIN_TAIL,
    };
    let verdict = match promote(judgement, margins, &figures) {
        Ok(_) if judgement.is_paused => Verdict::Keep(Keep::Paused),
        Ok(promote) => Verdict::Promote(promote),
        Err(keep) => Verdict::Keep(keep),
    };
    Decision { verdict, figures }
}

/// Every comparison is written so that NaN fails it.
fn promote(judgement: &Judgement<'_>, margins: &GateMargins, figures: &Figures) -> Result<Promote, Keep> {
    let unless = |holds: bool, keep: Keep| if holds { Ok(()) } else { Err(keep) };
    let need = margins.min_holdout;
    unless(figures.n_holdout as u64 >= u64::from(need), Keep::HoldoutTooSmall { need })?;
    let own = figures.challenger.ok_or(Keep::ChallengerUndefined)?;
    unless(own.lower > 0.0, Keep::NotAboveChance)?;
    let Some(champion) = judgement.champion else { return Ok(Promote::FirstChampion) };
    let gain = figures.gain.ok_or(Keep::ChampionUndefined)?;
    if let Some(last) = champion.last_budget {
        unless(judgement.challenger.last_budget >= Some(last), Keep::SmallerBudget { champion: last })?;
    }
    unless(judgement.challenger.is_calibrated || !champion.is_calibrated, Keep::NoUnit)?;
    unless(gain.estimate > 0.0, Keep::NoGain)?;
    unless(gain.lower > -margins.max_tau_loss, Keep::MayBeWorse)?;
    Ok(match champion.training {
        Known::KeptBack => Promote::Better,
        Known::Unknown => Promote::BetterThanUnknown,
    })
}

impl Decision {
    /// Whether the challenger becomes champion.
    #[must_use]
    pub fn is_promotion(&self) -> bool {
        matches!(self.verdict, Verdict::Promote(_))
    }
}

/// One line for people: what was decided, why, and the numbers.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { n_holdout, budget, challenger, champion, gain, .. } = &self.figures;
        write!(f, "{}", self.verdict)?;
        write!(f, " ({n_holdout} holdout rows at budget {budget}")?;
        for (name, tau) in [("challenger tau", challenger), ("champion tau", champion), ("gain", gain)] {
            if let Some(tau) = tau {
                write!(f, "; {name} {:.4}, at least {:.4}", tau.estimate, tau.lower)?;
            }
        }
        write!(f, ")")
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Promote(promote) => write!(f, "promoted: {promote}"),
            Self::Keep(keep) => write!(f, "not promoted: {keep}"),
        }
    }
}

impl fmt::Display for Promote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstChampion => "there is no champion and it is better than chance",
            Self::Better => "better than the champion",
            Self::BetterThanUnknown => {
                "better than the champion, which may have been trained on the holdout, as nobody knows"
            }
        })
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HoldoutTooSmall { need } => write!(f, "the holdout has fewer than {need} labelled rows"),
            Self::ChallengerUndefined => f.write_str("labels or scores have no order to compare"),
            Self::ChampionUndefined => f.write_str("the champion's scores have no order to compare with"),
            Self::NotAboveChance => f.write_str("it may be no better than chance"),
            Self::SmallerBudget { champion } => {
                write!(f, "the champion predicts budget {champion}, which it does not")
            }
            Self::NoUnit => f.write_str("the champion predicts in the unit of the task, it only ranks"),
            Self::NoGain => f.write_str("not better than the champion"),
            Self::MayBeWorse => f.write_str("it may be worse than the champion by more than the margin"),
            Self::Paused => f.write_str("automatic promotion is paused"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn contender(scores: &[f64]) -> Contender<'_> {
        Contender { scores, last_budget: Some(Budget(200)), is_calibrated: true, training: Known::KeptBack }
    }

    fn verdict(merits: &[f64], challenger: Contender<'_>, champion: Option<Contender<'_>>) -> Verdict {
        let judgement = Judgement { merits, budget: Budget(200), challenger, champion, is_paused: false };
        decide(&judgement, &GateMargins::default()).verdict
    }

    fn uniform(n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        (0..n).map(|_| rng.random_range(0.0..1.0)).collect()
    }

    /// Merits, with predictions of them as far off as `noise` says.
    fn predicted<const N: usize>(n: usize, noise: [f64; N], seed: u64) -> (Vec<f64>, [Vec<f64>; N]) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let merits = uniform(n, &mut rng);
        let predictions = noise.map(|noise| {
            merits.iter().zip(uniform(n, &mut rng)).map(|(merit, error)| merit + noise * error).collect()
        });
        (merits, predictions)
    }

    #[test]
    fn the_better_one_wins_and_the_first_one_has_to_be_better_than_chance() {
        let (merits, [good, poor]) = predicted(100, [0.2, 1.5], 1);
        let (good, poor) = (contender(&good), contender(&poor));
        assert_eq!(verdict(&merits, good, Some(poor)), Verdict::Promote(Promote::Better));
        assert_eq!(verdict(&merits, poor, Some(good)), Verdict::Keep(Keep::NoGain));
        assert_eq!(verdict(&merits, good, Some(good)), Verdict::Keep(Keep::NoGain), "a tie keeps");
        assert_eq!(verdict(&merits, poor, None), Verdict::Promote(Promote::FirstChampion));
    }

    #[test]
    fn a_gain_that_few_rows_cannot_show_is_none() {
        let (merits, [challenger, champion]) = predicted(40, [0.98, 1.0], 8);
        let found = verdict(&merits, contender(&challenger), Some(contender(&champion)));
        assert_eq!(found, Verdict::Keep(Keep::MayBeWorse));
    }

    #[test]
    fn whatever_has_no_order_keeps_the_champion() {
        let (merits, [good, poor]) = predicted(100, [0.2, 1.5], 1);
        let (good, poor) = (contender(&good), contender(&poor));
        let mut with_nan = good.scores.to_vec();
        with_nan[3] = f64::NAN;
        for scores in [with_nan, vec![f64::NAN; 100], vec![0.5; 100]] {
            let undefined = contender(&scores);
            for champion in [None, Some(poor)] {
                let found = verdict(&merits, undefined, champion);
                assert_eq!(found, Verdict::Keep(Keep::ChallengerUndefined));
            }
            assert_eq!(verdict(&merits, good, Some(undefined)), Verdict::Keep(Keep::ChampionUndefined));
        }
        for merits in [vec![f64::NEG_INFINITY; 100], vec![f64::NAN; 100]] {
            assert_eq!(verdict(&merits, good, Some(poor)), Verdict::Keep(Keep::ChallengerUndefined));
        }
        let margins = GateMargins { max_tau_loss: f64::NAN, ..GateMargins::default() };
        let judgement = Judgement {
            merits: &merits,
            budget: Budget(200),
            challenger: good,
            champion: Some(poor),
            is_paused: false,
        };
        assert_eq!(decide(&judgement, &margins).verdict, Verdict::Keep(Keep::MayBeWorse));
    }

    #[test]
    fn infeasible_rows_are_the_worst_and_tied() {
        let (mut merits, [mut good, poor]) = predicted(100, [0.1, 1.5], 1);
        for row in 0..30 {
            (merits[row], good[row]) = (f64::NEG_INFINITY, -1.0);
        }
        let found = verdict(&merits, contender(&good), Some(contender(&poor)));
        assert_eq!(found, Verdict::Promote(Promote::Better));
    }

    #[test]
    fn a_small_holdout_keeps_the_champion() {
        let need = Verdict::Keep(Keep::HoldoutTooSmall { need: 10 });
        for n in 0_u8..10 {
            let merits: Vec<f64> = (0..n).map(f64::from).collect();
            assert_eq!(verdict(&merits, contender(&merits), None), need);
        }
        let merits: Vec<f64> = (0_u8..10).map(f64::from).collect();
        let found = verdict(&merits, contender(&merits), None);
        assert_eq!(found, Verdict::Promote(Promote::FirstChampion));
    }

    #[test]
    fn a_champion_of_unknown_training_is_replaced_on_the_same_terms_which_is_said() {
        let (merits, [good, poor]) = predicted(100, [0.2, 1.5], 1);
        let imported = Contender { training: Known::Unknown, ..contender(&poor) };
        let found = verdict(&merits, contender(&good), Some(imported));
        assert_eq!(found, Verdict::Promote(Promote::BetterThanUnknown));
    }

    #[test]
    fn a_champion_that_can_more_than_rank_better_stays() {
        let (merits, [good, poor]) = predicted(100, [0.2, 1.5], 1);
        let (good, poor) = (contender(&good), contender(&poor));
        let no_unit = Contender { is_calibrated: false, ..good };
        assert_eq!(verdict(&merits, no_unit, Some(poor)), Verdict::Keep(Keep::NoUnit));
        let ranks_only = Contender { is_calibrated: false, ..poor };
        assert_eq!(verdict(&merits, no_unit, Some(ranks_only)), Verdict::Promote(Promote::Better));
        for last_budget in [None, Some(Budget(12))] {
            let early = Contender { last_budget, ..good };
            let smaller = Verdict::Keep(Keep::SmallerBudget { champion: Budget(200) });
            assert_eq!(verdict(&merits, early, Some(poor)), smaller);
        }
    }

    #[test]
    fn a_pause_keeps_the_champion_and_the_numbers_say_what_would_have_been() {
        let (merits, [good, poor]) = predicted(100, [0.2, 1.5], 1);
        let judgement = Judgement {
            merits: &merits,
            budget: Budget(200),
            challenger: contender(&good),
            champion: Some(contender(&poor)),
            is_paused: true,
        };
        let decision = decide(&judgement, &GateMargins::default());
        assert_eq!(decision.verdict, Verdict::Keep(Keep::Paused));
        assert!(decision.figures.gain.expect("defined").lower > 0.0);
    }

    #[test]
    fn a_decision_survives_its_json_and_reads_as_a_line() {
        let (merits, [good]) = predicted(100, [0.2], 1);
        let judgement = Judgement {
            merits: &merits,
            budget: Budget(200),
            challenger: contender(&good),
            champion: None,
            is_paused: false,
        };
        let decision = decide(&judgement, &GateMargins::default());
        let json = serde_json::to_string(&decision).expect("JSON");
        assert_eq!(serde_json::from_str::<Decision>(&json).expect("the same"), decision);
        let line = decision.to_string();
        let beginning = "promoted: there is no champion and it is better than chance (100 holdout rows at budget \
                         200; challenger tau 0.8881, at least 0.8";
        assert!(line.starts_with(beginning), "{line}");
        let keep = Verdict::Keep(Keep::HoldoutTooSmall { need: 10 });
        assert_eq!(
            serde_json::to_string(&keep).expect("JSON"),
            r#"{"keep":{"holdout_too_small":{"need":10}}}"#
        );
    }

    /// What "over and over again" comes to: labels that are noise, for rows of any number.
    #[test]
    fn noise_is_never_promoted_neither_from_nothing_nor_over_a_champion() {
        for (n, n_seeds) in [(10, 60), (20, 40), (50, 20), (150, 5)] {
            for seed in 0..n_seeds {
                let mut rng = ChaCha8Rng::seed_from_u64(1_000 * n as u64 + seed);
                // No challenger knows shuffled labels; a champion may know them from before, or may not.
                let [merits, challenger, champion] = [(); 3].map(|()| uniform(n, &mut rng));
                let challenger = contender(&challenger);
                for champion in [None, Some(contender(&champion)), Some(contender(&merits))] {
                    let found = verdict(&merits, challenger, champion);
                    assert!(matches!(found, Verdict::Keep(_)), "{n} rows, seed {seed}: {found}");
                }
            }
        }
    }
}
