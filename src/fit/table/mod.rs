//! Rows of CSV and JSON Lines files, read one at a time.

mod error;
mod selection;

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::str::FromStr;

use csv::{Terminator, Trim};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use error::TableError;
pub use selection::Selection;

/// One row and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    fields: Map<String, Value>,
}

/// The rows of a table, one at a time; each can be an error of its own.
pub type Rows = Box<dyn Iterator<Item = Result<Row, TableError>>>;

/// The rows of `path`, by its ending: `.csv` (with a header), or `.jsonl`, `.ndjson`.
///
/// # Errors
/// When the file cannot be opened or has another ending.
pub fn rows(path: &Path) -> Result<Rows, TableError> {
    rows_through(path, |file| file)
}

/// As [`rows`], read through what `wrap` makes of the file.
///
/// # Errors
/// As [`rows`].
pub fn rows_through<R: Read + 'static>(
    path: &Path,
    wrap: impl FnOnce(File) -> R,
) -> Result<Rows, TableError> {
    let open = || File::open(path).map_err(|source| TableError::Open { path: path.to_owned(), source });
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(Box::new(csv_rows(wrap(open()?))?)),
        Some("jsonl" | "ndjson") => Ok(Box::new(json_rows(wrap(open()?)))),
        _ => Err(TableError::Format { path: path.to_owned() }),
    }
}

fn csv_rows(file: impl Read) -> Result<impl Iterator<Item = Result<Row, TableError>>, TableError> {
    // A line ends with its line feed, and what stands before that is trimmed: the reader would count a line too few
    // after the carriage return that some programs write there.
    let mut reader =
        csv::ReaderBuilder::new().terminator(Terminator::Any(b'\n')).trim(Trim::All).from_reader(file);
    let header = reader.headers().map_err(|source| TableError::Csv { line: 1, source })?.clone();
    Ok(reader.into_records().map(move |record| {
        let record = record.map_err(|source| {
            let line = source.position().map_or(1, csv::Position::line);
            TableError::Csv { line, source }
        })?;
        let line = record.position().map_or(1, csv::Position::line);
        let fields =
            header.iter().zip(&record).map(|(column, field)| (column.to_owned(), field.into())).collect();
        Ok(Row { line, fields })
    }))
}

fn json_rows(file: impl Read) -> impl Iterator<Item = Result<Row, TableError>> {
    BufReader::new(file).lines().zip(1..).filter_map(|(text, line)| {
        let row = |text: String| match serde_json::from_str(&text) {
            Ok(fields) => Ok(Row { line, fields }),
            Err(source) => Err(TableError::Json { line, source }),
        };
        match text {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(row(text)),
            Err(source) => Some(Err(TableError::Read { line, source })),
        }
    })
}

impl Row {
    /// Whether something stands in this column: not where it is missing, empty or null.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        match self.fields.get(column) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.trim().is_empty(),
            Some(_) => true,
        }
    }

    /// The field as it stands in the table; from CSV always text.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn field(&self, column: &str) -> Result<&Value, TableError> {
        self.fields.get(column).ok_or_else(|| TableError::NoColumn {
            line: self.line,
            column: column.to_owned(),
            known: self.fields.keys().cloned().collect(),
        })
    }

    /// The field as text: a string as it is, anything else as JSON.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn text(&self, column: &str) -> Result<String, TableError> {
        Ok(match self.field(column)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// The text of an architecture: the field in `column`, or, where there is no such column, the JSON object of the
    /// columns `fields`, where there are all of these.
    ///
    /// # Errors
    /// When there is neither.
    pub fn architecture(&self, column: &str, fields: &[&str]) -> Result<String, TableError> {
        if self.has_column(column) || fields.is_empty() {
            return self.text(column);
        }
        let of_field = |field: &&str| Some(((*field).to_owned(), as_json(self.fields.get(*field)?)));
        match fields.iter().map(of_field).collect::<Option<Map<_, _>>>() {
            Some(object) => Ok(Value::Object(object).to_string()),
            None => self.text(column),
        }
    }

    /// Whether there is such a column, whatever stands in it.
    #[must_use]
    pub fn has_column(&self, column: &str) -> bool {
        self.fields.contains_key(column)
    }

    /// The field as a finite number, `None` where it is empty or null.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn number(&self, column: &str) -> Result<Option<f64>, TableError> {
        let field = self.field(column)?;
        let number = match field {
            Value::Null => return Ok(None),
            Value::String(text) if text.trim().is_empty() => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_f64(),
        };
        number
            .filter(|number: &f64| number.is_finite())
            .map(Some)
            .ok_or_else(|| self.not_a_number(column, field))
    }

    /// The field as a whole number, `None` where it is missing, empty or null.
    ///
    /// # Errors
    /// When it holds something else, or a number that `T` cannot hold.
    pub fn integer<T: FromStr>(&self, column: &str) -> Result<Option<T>, TableError> {
        if !self.has(column) {
            return Ok(None);
        }
        let field = self.field(column)?;
        let integer = self.text(column)?.trim().parse();
        integer.map(Some).map_err(|_| self.not_a_number(column, field))
    }

    /// The field as rows of numbers, in JSON, also where it is text; `None` where it is empty or null.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    pub fn rows_of_numbers(&self, column: &str) -> Result<Option<Vec<Vec<f64>>>, TableError> {
        let rows = match self.field(column)? {
            Value::Null => return Ok(None),
            Value::String(text) if text.trim().is_empty() => return Ok(None),
            Value::String(text) => serde_json::from_str(text),
            other => Vec::<Vec<f64>>::deserialize(other),
        };
        let not_rows = |source| TableError::NotRows { line: self.line, column: column.to_owned(), source };
        rows.map(Some).map_err(not_rows)
    }

    fn not_a_number(&self, column: &str, found: &Value) -> TableError {
        TableError::NotANumber { line: self.line, column: column.to_owned(), found: found.to_string() }
    }
}

/// The list or object that a field is, also where it is the text of one.
fn as_json(field: &Value) -> Value {
    let parsed = field.as_str().and_then(|text| serde_json::from_str(text).ok());
    parsed.filter(|json: &Value| json.is_array() || json.is_object()).unwrap_or_else(|| field.clone())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn table(ending: &str, text: &str) -> Result<Vec<Row>, TableError> {
        let mut file = tempfile::Builder::new().suffix(ending).tempfile().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("room on the disk");
        rows(file.path())?.collect()
    }

    #[test]
    fn both_formats_read_the_same() {
        let csv = table(".csv", "arch,acc\na,1.5\nb,\n").expect("a table");
        let json = table(".jsonl", "{\"arch\":\"a\",\"acc\":1.5}\n\n{\"arch\":\"b\",\"acc\":null}\n")
            .expect("a table");
        for rows in [csv, json] {
            assert_eq!(rows[0].text("arch").expect("there"), "a");
            assert_eq!(rows[0].number("acc").expect("there"), Some(1.5));
            assert_eq!(rows[1].number("acc").expect("there"), None);
        }
    }

    #[test]
    fn lines_are_counted_whatever_they_end_with() {
        for end in ["\n", "\r\n"] {
            let text = ["arch,value", "a,1", "\"b\nc\",2", "d,\"3\"", ""].join(end);
            let rows = table(".csv", &text).expect("a table");
            let of_rows: Vec<_> =
                rows.iter().map(|row| (row.line, row.number("value").expect("a number"))).collect();
            assert_eq!(of_rows, [(2, Some(1.0)), (3, Some(2.0)), (5, Some(3.0))], "{end:?}");
        }
    }

    #[test]
    fn rows_of_numbers_are_json_in_either_format() {
        let csv = table(".csv", "arch,z\na,\"[[1, 2.5], [0, -3]]\"\nb,\nc,\"[1]\"\n").expect("a table");
        let json = table(".jsonl", "{\"z\":[[1,2.5],[0,-3]]}\n{\"z\":null}\n{\"z\":[1]}\n").expect("a table");
        for rows in [csv, json] {
            let expected = vec![vec![1.0, 2.5], vec![0.0, -3.0]];
            assert_eq!(rows[0].rows_of_numbers("z").expect("rows"), Some(expected));
            assert_eq!(rows[1].rows_of_numbers("z").expect("nothing"), None);
            assert!(matches!(rows[2].rows_of_numbers("z"), Err(TableError::NotRows { .. })));
        }
    }

    #[test]
    fn an_architecture_stands_in_one_column_or_in_the_fields_of_its_object() {
        const FIELDS: [&str; 2] = ["m", "ops"];
        let csv = table(".csv", "m,ops,acc\n\"[[0, 1]]\",\"[\"\"a\"\"]\",1\n").expect("a table");
        let json = table(".jsonl", "{\"ops\":[\"a\"],\"acc\":1,\"m\":[[0,1]]}\n").expect("a table");
        for rows in [csv, json] {
            let text = rows[0].architecture("arch", &FIELDS).expect("both fields");
            assert_eq!(text, r#"{"m":[[0,1]],"ops":["a"]}"#);
            assert_eq!(rows[0].architecture("acc", &FIELDS).expect("the column"), "1");
            for fields in [&["m", "labels"][..], &[]] {
                let error = rows[0].architecture("arch", fields).expect_err("one is missing").to_string();
                assert!(error.contains("no column \"arch\"; there are acc, m, ops"), "{error}");
            }
        }
    }

    #[test]
    fn errors_name_line_and_column() {
        let rows = table(".csv", "arch,acc\na,high\nb,NaN\n").expect("a table");
        assert_eq!(rows[0].number("acc").unwrap_err().to_string(), "line 2: acc is \"high\", not a number");
        assert_eq!(rows[1].number("acc").unwrap_err().to_string(), "line 3: acc is \"NaN\", not a number");
        assert_eq!(
            rows[0].text("top").unwrap_err().to_string(),
            "line 2: no column \"top\"; there are acc, arch"
        );
        assert_eq!(
            table(".csv", "arch,acc\na,1\nb\n").unwrap_err().to_string(),
            "line 3: not a row of the table's header"
        );
        assert_eq!(table(".jsonl", "{}\n[1]\n").unwrap_err().to_string(), "line 2: not a JSON object");
        assert!(table(".txt", "").unwrap_err().to_string().ends_with("is neither .csv nor .jsonl"));
    }

    #[test]
    fn numbers_are_read_exactly_and_whole_ones_as_they_are() {
        let text = "{\"acc\":0.1370567473,\"seed\":9007199254740993,\"none\":null,\"half\":0.5}\n";
        let row = table(".jsonl", text).expect("a table").remove(0);
        assert_eq!(row.number("acc").expect("there"), Some(0.137_056_747_3));
        assert_eq!(row.integer("seed").expect("there"), Some(9_007_199_254_740_993_i64));
        assert_eq!(row.integer::<i64>("none").expect("null"), None);
        assert_eq!(row.integer::<i64>("missing").expect("missing"), None);
        assert_eq!(row.integer::<u32>("half").unwrap_err().to_string(), "line 1: half is 0.5, not a number");
        assert!(row.has("acc") && !row.has("none") && !row.has("missing"));
    }

    #[test]
    fn a_bad_row_is_not_the_end() {
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().expect("a temporary file");
        file.write_all(b"arch,acc\na,1\nb\n\xff,1\nd,1\n").expect("room on the disk");
        let rows: Vec<_> = rows(file.path()).expect("a table").collect();
        assert_eq!(rows.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false, true]);
        assert!(rows.iter().filter_map(|row| row.as_ref().err()).all(|error| !error.is_final()));
    }
}
