//! The outcomes of trials, one a line, so that a grid that was stopped goes on where it was.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::experiments::Trial;
use crate::fit::Evaluation;

/// What a trial came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which trial.
    #[serde(flatten)]
    pub trial: Trial,
    /// For each target of the grid.
    pub targets: Vec<TargetOutcome>,
}

/// How the test rows were ranked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetOutcome {
    /// Column of the labels.
    pub column: String,
    /// Kendall's tau-b after the last epoch.
    pub tau: f64,
    /// Mean of those after the last five epochs.
    pub tau_last_five_mean: f64,
    /// The same as `tau`, of classes unseen in training; none where there are too few.
    pub tau_unseen: Option<f64>,
    /// Precision after the last epoch, as `10` or `5%` of the test rows.
    pub precision: Vec<(String, f64)>,
    /// What was predicted and what was measured, of the first test rows.
    pub sample: Vec<(f64, f64)>,
}

impl TargetOutcome {
    /// From the evaluations after the last epochs. What is not defined, as the tau of constants, counts as 0.
    pub(in crate::experiments) fn new(
        column: &str,
        of_epochs: &[&Evaluation],
        sample: Vec<(f64, f64)>,
    ) -> Self {
        let taus: Vec<f64> = of_epochs.iter().map(|it| it.kendall_tau.unwrap_or(0.0)).collect();
        let last = of_epochs.last();
        let precision = last.iter().flat_map(|last| &last.precision);
        Self {
            column: column.to_owned(),
            tau: taus.last().copied().unwrap_or(0.0),
            tau_last_five_mean: taus.iter().sum::<f64>() / taus.len().max(1) as f64,
            tau_unseen: last.and_then(|last| last.kendall_tau_unseen),
            precision: precision.map(|it| (it.top.clone(), it.share.unwrap_or(0.0))).collect(),
            sample,
        }
    }
}

/// Why outcomes cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("could not keep outcomes in {}", path.display())]
pub struct JournalError {
    path: PathBuf,
    source: io::Error,
}

/// A file of outcomes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    outcomes: HashMap<Trial, Outcome>,
}

impl Journal {
    /// Opens the file at `path`, which may be new. A last line that was cut off is dropped.
    ///
    /// # Errors
    /// When it cannot be read or written, or another line is no outcome.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let error = |source| JournalError { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(error)?;
        let mut outcomes = HashMap::new();
        let mut whole_bytes = 0;
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        while reader.read_line(&mut line).map_err(error)? > 0 {
            if !line.ends_with('\n') {
                file.set_len(whole_bytes).map_err(error)?;
                break;
            }
            whole_bytes += line.len() as u64;
            let outcome: Outcome = serde_json::from_str(&line).map_err(|it| error(it.into()))?;
            outcomes.insert(outcome.trial.clone(), outcome);
            line.clear();
        }
        Ok(Self { path: path.to_owned(), file, outcomes })
    }

    /// Whether the trial is done.
    #[must_use]
    pub fn has(&self, trial: &Trial) -> bool {
        self.outcomes.contains_key(trial)
    }

    /// Keeps an outcome.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, outcome: Outcome) -> Result<(), JournalError> {
        let error = |source| JournalError { path: self.path.clone(), source };
        let line = serde_json::to_string(&outcome).map_err(|it| error(it.into()))? + "\n";
        self.file.write_all(line.as_bytes()).map_err(error)?;
        self.outcomes.insert(outcome.trial.clone(), outcome);
        Ok(())
    }

    /// The outcome of a trial, if it is done.
    #[must_use]
    pub fn of(&self, trial: &Trial) -> Option<&Outcome> {
        self.outcomes.get(trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_done_again() {
        let directory = tempfile::tempdir().expect("a folder");
        let path = directory.path().join("outcomes.jsonl");
        let outcome = |seed| Outcome {
            trial: Trial { encoder: "GATES".to_owned(), n: 78, start: 0, seed, setting: "s".to_owned() },
            targets: Vec::new(),
        };
        let mut journal = Journal::open(&path).expect("a new file");
        for seed in [1, 2] {
            journal.add(outcome(seed)).expect("room");
        }
        let text = std::fs::read_to_string(&path).expect("written");
        std::fs::write(&path, &text[..text.len() - 5]).expect("cut");
        let mut journal = Journal::open(&path).expect("its first line");
        assert!(journal.has(&outcome(1).trial) && !journal.has(&outcome(2).trial));
        journal.add(outcome(2)).expect("room");
        let journal = Journal::open(&path).expect("both");
        assert_eq!(
            [1, 2].map(|seed| journal.of(&outcome(seed).trial).cloned()),
            [1, 2].map(|seed| Some(outcome(seed)))
        );
    }
}
