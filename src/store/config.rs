//! The settings of this room.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::store::OpenError;

/// Where everything is kept.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Storage")]
pub struct Config {
    /// PostgreSQL (13 or newer) to keep everything in, connected to directly, not through a transaction
    /// pooler; without it, an SQLite file in the data directory.
    #[arg(
        long,
        value_name = "postgres://USER:PASSWORD@HOST/NAME",
        env = "TAGATES_DATABASE_URL",
        hide_env_values = true,
        conflicts_with = "data_dir"
    )]
    pub database: Option<DatabaseUrl>,
    /// Directory of the SQLite file; by default `tagates` in the XDG state directory, as
    /// ~/.local/state/tagates.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Whether the database's schema is brought up to date at the start.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub migrate: MigrateMode,
}

/// Who brings the schema up to date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum MigrateMode {
    /// Migrations that are due are run; processes that start at once wait for each other.
    #[default]
    Auto,
    /// A start is refused while migrations are due: somebody else runs them.
    Check,
}

/// Where a PostgreSQL is, and how to be let in. Its password is never printed.
#[derive(Clone)]
pub struct DatabaseUrl(PgConnectOptions);

/// A text that does not say where a PostgreSQL is.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Another kind of database, or none.
    #[error("a database is given as postgres://USER:PASSWORD@HOST/NAME; SQLite needs only --data-dir")]
    Scheme,
    /// A part of it is wrong.
    #[error("it is no URL of a PostgreSQL: {0}")]
    Part(sqlx::Error),
}

impl FromStr for DatabaseUrl {
    type Err = DatabaseUrlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(DatabaseUrlError::Scheme);
        }
        url.parse().map(Self).map_err(DatabaseUrlError::Part)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.0;
        match options.get_socket() {
            Some(socket) => write!(f, "PostgreSQL at {}", socket.display())?,
            None => write!(f, "PostgreSQL at {}:{}", options.get_host(), options.get_port())?,
        }
        write!(f, ", database {}", options.get_database().unwrap_or_else(|| options.get_username()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatabaseUrl {
    pub(in crate::store) fn options(&self) -> &PgConnectOptions {
        &self.0
    }
}

impl Config {
    /// The data directory: the one given, else the user's for state.
    ///
    /// # Errors
    /// When none is given and the user has no home.
    pub fn data_dir(&self) -> Result<PathBuf, OpenError> {
        // The XDG specification has relative paths ignored.
        let given = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        self.data_dir
            .clone()
            .or_else(|| given("XDG_STATE_HOME").map(|state| state.join("tagates")))
            .or_else(|| given("HOME").map(|home| home.join(".local/state/tagates")))
            .ok_or(OpenError::NoDataDir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_printed() {
        let url: DatabaseUrl = "postgres://me:secret@db.example:5433/observations".parse().expect("a URL");
        let printed = format!("{url} {url:?}");
        assert!(!printed.contains("secret"), "{printed}");
        assert!(printed.starts_with("PostgreSQL at db.example:5433, database observations"), "{printed}");
    }

    #[test]
    fn another_database_is_refused_by_name() {
        let error = "mysql://localhost/x".parse::<DatabaseUrl>().expect_err("no PostgreSQL");
        assert!(error.to_string().contains("postgres://"), "{error}");
    }
}
