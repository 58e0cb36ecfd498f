//! Throwaway databases, with each commit on the disk as in earnest.

use std::fmt;

use tempfile::TempDir;

use crate::postgres::Postgres;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// An empty database that goes when this is dropped.
pub enum Database {
    Sqlite(TempDir),
    Postgres(Postgres),
}

impl Database {
    pub fn new(kind: Kind) -> anyhow::Result<Self> {
        Ok(match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir()?),
            Kind::Postgres => Self::Postgres(postgres()),
        })
    }

    /// How `tagates serve` is told to use it.
    pub fn flags(&self) -> [String; 2] {
        match self {
            Self::Sqlite(folder) => ["--data-dir".to_owned(), folder.path().display().to_string()],
            Self::Postgres(server) => ["--database".to_owned(), server.url("postgres")],
        }
    }
}

/// A server of PostgreSQL that waits for its disk.
pub fn postgres() -> Postgres {
    Postgres::start(&["fsync=on"])
}
