//! Which rows of a table are meant, picked all at once or one at a time.

use std::iter;
use std::ops::Range;

use crate::fit::table::{Row, Rows, TableError};

/// Which rows of a table are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `(column, text)` that a row must have, all of them.
    pub conditions: Vec<(String, String)>,
    /// How many of the rows that meet the conditions are passed over first.
    pub skip: usize,
    /// How many rows are taken then, going on from the first one where the table ends, and each row once
    /// at most; all that are left where `None`.
    pub first: Option<usize>,
}

impl Selection {
    /// Picks from the rows of a table.
    ///
    /// # Errors
    /// When a row is an error or lacks a column of a condition.
    pub fn pick(&self, rows: impl Iterator<Item = Result<Row, TableError>>) -> Result<Vec<Row>, TableError> {
        let mut matching = Vec::new();
        for row in rows {
            let row = row?;
            if self.matches(&row)? {
                matching.push(row);
            }
        }
        match self.first {
            Some(first) => {
                let skip = self.skip.checked_rem(matching.len()).unwrap_or(0);
                matching.rotate_left(skip);
                matching.truncate(first);
            }
            None => drop(matching.drain(..self.skip.min(matching.len()))),
        }
        Ok(matching)
    }

    /// The same rows in the order of the table, read one at a time; what cannot be read is passed on among
    /// them. Where rows are passed over and others counted off, the table is opened twice: once to count.
    ///
    /// # Errors
    /// When the table cannot be opened, or cannot be counted to its end.
    pub fn stream(
        self,
        mut open: impl FnMut() -> Result<Rows, TableError>,
    ) -> Result<impl Iterator<Item = Result<Row, TableError>>, TableError> {
        let ranges = match (self.skip, self.first) {
            (skip, None) => [skip..usize::MAX, 0..0],
            (0, Some(first)) => [0..first, 0..0],
            (skip, Some(first)) => turned(self.count(open()?)?, skip, first),
        };
        let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
        let (mut rows, mut n_matching) = (open()?, 0);
        Ok(iter::from_fn(move || {
            while n_matching < end {
                let row = rows.next()?;
                match row.and_then(|row| Ok(self.matches(&row)?.then_some(row))) {
                    Ok(None) => {}
                    Ok(Some(row)) => {
                        n_matching += 1;
                        if ranges.iter().any(|range| range.contains(&(n_matching - 1))) {
                            return Some(Ok(row));
                        }
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
            None
        }))
    }

    fn count(&self, rows: Rows) -> Result<usize, TableError> {
        let mut n_matching = 0;
        for row in rows {
            match row.and_then(|row| self.matches(&row)) {
                Ok(matches) => n_matching += usize::from(matches),
                Err(error) if error.is_final() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(n_matching)
    }

    fn matches(&self, row: &Row) -> Result<bool, TableError> {
        for (column, text) in &self.conditions {
            if row.text(column)? != *text {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The places in a table of `n_rows` rows that are taken after passing over `skip`, going round.
fn turned(n_rows: usize, skip: usize, first: usize) -> [Range<usize>; 2] {
    let start = skip.checked_rem(n_rows).unwrap_or(0);
    let end = start + first.min(n_rows);
    [start..end.min(n_rows), 0..end.saturating_sub(n_rows)]
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tempfile::NamedTempFile;

    use super::*;
    use crate::fit::table::rows;

    fn table(text: &str) -> NamedTempFile {
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("room on the disk");
        file
    }

    fn selection(skip: usize, first: Option<usize>) -> Selection {
        Selection { conditions: vec![("split".to_owned(), "train".to_owned())], skip, first }
    }

    #[test]
    fn selections_go_round() {
        let file = table("arch,split\na,train\nb,test\nc,train\nd,train\n");
        let pick = |skip, first| {
            let picked = selection(skip, first).pick(rows(file.path()).expect("a table")).expect("rows");
            picked.iter().map(|row| row.text("arch").expect("there")).collect::<String>()
        };
        assert_eq!(pick(0, None), "acd");
        assert_eq!(pick(0, Some(2)), "ac");
        assert_eq!(pick(2, Some(2)), "da");
        assert_eq!(pick(4, Some(9)), "cda");
        assert_eq!(pick(1, None), "cd");
        assert_eq!(pick(9, None), "");
    }

    #[test]
    fn a_stream_has_the_same_rows_in_the_order_of_the_table() {
        let file = table("arch,split\na,train\nb,test\nc,train\nd,train\n");
        for skip in 0..7 {
            for first in [None, Some(0), Some(1), Some(2), Some(3), Some(9)] {
                let mut picked =
                    selection(skip, first).pick(rows(file.path()).expect("a table")).expect("rows");
                picked.sort_by_key(|row| row.line);
                let streamed = selection(skip, first).stream(|| rows(file.path())).expect("a table");
                let streamed: Vec<_> = streamed.collect::<Result<_, _>>().expect("rows");
                assert_eq!(streamed, picked, "skip {skip}, first {first:?}");
            }
        }
    }

    #[test]
    fn a_stream_passes_on_what_cannot_be_read() {
        let file = table("arch,split\na,train\nb\nc,train\nd\ne,train\n");
        let stream = |skip, first| -> Vec<bool> {
            let rows = selection(skip, first).stream(|| rows(file.path())).expect("a table");
            rows.map(|row| row.is_ok()).collect()
        };
        assert_eq!(stream(0, None), [true, false, true, false, true]);
        assert_eq!(stream(1, Some(1)), [false, true]);
    }
}
