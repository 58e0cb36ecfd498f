//! What can be wrong with a table.

use std::io;
use std::path::PathBuf;

/// Why a table, or a row of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be opened.
    #[error("could not open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A name that says neither format.
    #[error("{path} is neither .csv nor .jsonl")]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read on.
    #[error("line {line}: could not read")]
    Read {
        /// Line in the file.
        line: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A row with fields missing or left over.
    #[error("line {line}: not a row of the table's header")]
    Csv {
        /// Line in the file.
        line: u64,
        /// What the parser said.
        source: csv::Error,
    },
    /// A line that is no JSON object.
    #[error("line {line}: not a JSON object")]
    Json {
        /// Line in the file.
        line: u64,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A column no row may lack.
    #[error("line {line}: no column {column:?}; there are {}", .known.join(", "))]
    NoColumn {
        /// Line in the file.
        line: u64,
        /// What was looked for.
        column: String,
        /// What is there.
        known: Vec<String>,
    },
    /// Two fields of which only one can be true.
    #[error("line {line}: both {first} and {second} are given")]
    Contradiction {
        /// Line in the file.
        line: u64,
        /// One column.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A field that means nothing without another one.
    #[error("line {line}: {column} is given without {other}")]
    Lone {
        /// Line in the file.
        line: u64,
        /// The column.
        column: &'static str,
        /// The one it needs.
        other: &'static str,
    },
    /// A field that is no number.
    #[error("line {line}: {column} is {found}, not a number")]
    NotANumber {
        /// Line in the file.
        line: u64,
        /// The column.
        column: String,
        /// What is there.
        found: String,
    },
    /// A field that is no matrix of numbers.
    #[error("line {line}: {column} is not rows of numbers, as [[1, 2.5], [0, 3]]")]
    NotRows {
        /// Line in the file.
        line: u64,
        /// The column.
        column: String,
        /// What the parser said.
        source: serde_json::Error,
    },
}

impl TableError {
    /// Whether nothing can be read after it. Another error is of one row alone.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Open { .. } | Self::Format { .. } => true,
            Self::Read { source, .. } => source.kind() != io::ErrorKind::InvalidData,
            Self::Csv { source, .. } => matches!(source.kind(), csv::ErrorKind::Io(_)),
            Self::Json { .. }
            | Self::NoColumn { .. }
            | Self::Contradiction { .. }
            | Self::Lone { .. }
            | Self::NotANumber { .. }
            | Self::NotRows { .. } => false,
        }
    }
}
