//! A table cut into batches, read one at a time.

use std::path::Path;

use anyhow::Context;
use indicatif::ProgressBar;

use crate::cli::import::layout::{Layout, Place};
use crate::fit::table::{Row, Selection, TableError, rows_through};
use crate::pb;

/// Observations in one call: enough that the way to the server costs little, few enough that a call is
/// answered soon.
const N_OBSERVATIONS: usize = 1_000;

/// Rows of one batch at most, so that a table without observations is read in batches too.
const N_ROWS: usize = 10_000;

/// Which rows of which file, and what they say.
pub(super) struct Table<'a> {
    pub path: &'a Path,
    pub selection: Selection,
    pub layout: Layout,
    /// Shows how much of the file was read.
    pub bar: ProgressBar,
}

/// Some rows, read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub n_rows: u64,
    pub observations: Vec<pb::Observation>,
    /// Where each observation stands.
    pub places: Vec<Place>,
    /// Why others are none.
    pub failures: Vec<String>,
}

impl Table<'_> {
    /// The rows in batches.
    ///
    /// # Errors
    /// When the table cannot be opened; a batch, when it cannot be read on.
    pub fn batches(&self) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Batch>>> {
        let open = || {
            self.bar.reset();
            rows_through(self.path, |file| self.bar.wrap_read(file))
        };
        let could_not = || format!("could not read {}", self.path.display());
        let mut rows = self.selection.clone().stream(open).with_context(could_not)?;
        Ok(std::iter::from_fn(move || {
            let mut batch = Batch::default();
            while batch.observations.len() < N_OBSERVATIONS && batch.n_rows < N_ROWS as u64 {
                match rows.next() {
                    None => break,
                    Some(Err(error)) if error.is_final() => {
                        return Some(Err(error).with_context(could_not));
                    }
                    Some(row) => batch.add(row, &self.layout),
                }
            }
            (batch.n_rows > 0).then_some(Ok(batch))
        }))
    }
}

impl Batch {
    fn add(&mut self, row: Result<Row, TableError>, layout: &Layout) {
        self.n_rows += 1;
        match row.and_then(|row| layout.read(&row)) {
            Ok(found) => {
                for (place, observation) in found {
                    match observation {
                        Ok(observation) => {
                            self.places.push(place);
                            self.observations.push(observation);
                        }
                        Err(error) => self.fail(error),
                    }
                }
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: TableError) {
        self.failures.push(format!("{:#}", anyhow::Error::from(error)));
    }
}
