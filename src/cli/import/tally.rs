//! How many observations of an import became what.

use std::time::Instant;

use indicatif::ProgressBar;
use serde::Serialize;

use crate::cli::import::layout::Place;

/// Counts, and reports what failed on standard error.
pub(super) struct Tally {
    counts: Counts,
    started: Instant,
    bar: ProgressBar,
    last_report: String,
}

/// The counts as they are printed.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    /// Rows read.
    rows: u64,
    /// Observations stored now.
    new: u64,
    /// Stored before, with the same measurement.
    same: u64,
    /// Stored before, with another measurement.
    conflicts: u64,
    /// None that the task allows, or rows that are none of the table.
    invalid: u64,
    /// From the first row to the last answer.
    seconds: f64,
}

impl Tally {
    pub fn new(bar: ProgressBar) -> Self {
        Self { counts: Counts::default(), started: Instant::now(), bar, last_report: String::new() }
    }

    pub fn rows(&mut self, n: u64) {
        self.counts.rows += n;
        self.bar.set_message(format!("{} rows", self.counts.rows));
    }

    pub fn new_observation(&mut self) {
        self.counts.new += 1;
    }

    pub fn same(&mut self) {
        self.counts.same += 1;
    }

    pub fn conflict(&mut self, place: &Place, message: &str) {
        self.counts.conflicts += 1;
        self.report(format!("{place}: {message}"));
    }

    /// `reason` begins with the field of the observation that is wrong.
    pub fn invalid(&mut self, place: &Place, reason: &str) {
        self.counts.invalid += 1;
        // An architecture is wrong for every value of its row.
        self.report(if reason.starts_with("architecture") {
            format!("line {}: {reason}", place.line)
        } else {
            format!("{place}: {reason}")
        });
    }

    /// `message` names the line.
    pub fn unreadable(&mut self, message: &str) {
        self.counts.invalid += 1;
        self.report(message.to_owned());
    }

    /// Conflicts and what is invalid.
    pub fn n_failed(&self) -> u64 {
        self.counts.conflicts + self.counts.invalid
    }

    /// Takes the progress bar away and tells the counts.
    pub fn finish(&mut self) -> Counts {
        self.bar.finish_and_clear();
        self.counts.seconds = self.started.elapsed().as_secs_f64();
        self.counts
    }

    fn report(&mut self, message: String) {
        if message != self.last_report {
            self.bar.suspend(|| eprintln!("{message}"));
            self.last_report = message;
        }
    }
}
