//! Bringing a database's schema to what this binary needs, and telling when that cannot be.
//!
//! Migrations expand first and contract later. A database that a newer binary migrated still serves this
//! one for as long as it says so, which lets a deployment be undone.

use sqlx::SqlSafeStr;
use sqlx::migrate::{AppliedMigration, Migrate, MigrateError, Migration, MigrationType};

use crate::store::backend::{Connection, on};
use crate::store::{Error, MigrateMode, OpenError, postgres, sqlite};

/// Where sqlx's tools look too.
const TABLE: &str = "_sqlx_migrations";

/// A migration's number, what it is about, and its text for SQLite and for PostgreSQL.
type Text = (i64, &'static str, &'static str, &'static str);

/// Every migration there is. A test compares it with the files.
static MIGRATIONS: &[Text] = &[
    (
        1,
        "tasks and observations",
        include_str!("../../migrations/sqlite/0001_tasks_and_observations.sql"),
        include_str!("../../migrations/postgres/0001_tasks_and_observations.sql"),
    ),
    (
        2,
        "runs and promotions",
        include_str!("../../migrations/sqlite/0002_runs_and_promotions.sql"),
        include_str!("../../migrations/postgres/0002_runs_and_promotions.sql"),
    ),
    (
        3,
        "search spaces",
        include_str!("../../migrations/sqlite/0003_search_spaces.sql"),
        include_str!("../../migrations/postgres/0003_search_spaces.sql"),
    ),
    (
        4,
        "saliencies",
        include_str!("../../migrations/sqlite/0004_saliencies.sql"),
        include_str!("../../migrations/postgres/0004_saliencies.sql"),
    ),
];

/// The version of a database's schema: the newest migration applied to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Before anything was done; `None` for an empty database.
    pub before: Option<i64>,
    /// Now.
    pub version: i64,
}

/// Migrates or only checks. The connection should not be used for anything else afterwards: where this
/// fails, it may still hold the lock under which migrations run.
pub(in crate::store) async fn migrate(
    mut connection: Connection<'_>,
    mode: MigrateMode,
) -> Result<Schema, OpenError> {
    let known = migrations(&connection);
    if mode == MigrateMode::Check {
        let schema = inspect(connection.connection(), &known).await?;
        if schema.due.is_empty() {
            return Ok(Schema { before: schema.newest, version: schema.newest.unwrap_or(0) });
        }
        return Err(OpenError::MigrationsPending { schema: schema.newest, binary: newest(&known) });
    }
    // Another process that migrates at the same time waits here, and then finds nothing to do.
    on!(connection.connection(), |connection| connection.lock().await)?;
    on!(connection.connection(), |connection| connection.ensure_migrations_table(TABLE).await)?;
    let schema = inspect(connection.connection(), &known).await?;
    for migration in &schema.due {
        tracing::info!(version = migration.version, about = %migration.description, "migrating the database");
        on!(connection.connection(), |connection| connection.apply(TABLE, migration).await)?;
    }
    on!(connection, |connection| connection.unlock().await)?;
    Ok(Schema { before: schema.newest, version: schema.newest.unwrap_or(0).max(newest(&known)) })
}

/// A database as it was found.
struct Found<'a> {
    newest: Option<i64>,
    due: Vec<&'a Migration>,
}

async fn inspect<'a>(mut connection: Connection<'_>, known: &'a [Migration]) -> Result<Found<'a>, OpenError> {
    let applied = if table_exists(connection.connection()).await? {
        if let Some(version) =
            on!(connection.connection(), |connection| connection.dirty_version(TABLE).await)?
        {
            return Err(OpenError::MigrationUnfinished(version));
        }
        on!(connection.connection(), |connection| connection.list_applied_migrations(TABLE).await)?
    } else {
        Vec::new()
    };
    let due = due(known, &applied)?;
    let newest_applied = applied.iter().map(|migration| migration.version).max();
    if let Some(schema) = newest_applied.filter(|version| *version > newest(known)) {
        let lowest = lowest_binary(connection).await?;
        if lowest > newest(known) {
            return Err(OpenError::SchemaTooNew { schema, lowest, binary: newest(known) });
        }
    }
    Ok(Found { newest: newest_applied, due })
}

/// Which known migrations are not applied yet.
fn due<'a>(known: &'a [Migration], applied: &[AppliedMigration]) -> Result<Vec<&'a Migration>, OpenError> {
    let mut due = Vec::new();
    for migration in known {
        match applied.iter().find(|applied| applied.version == migration.version) {
            Some(applied) if applied.checksum != migration.checksum => {
                return Err(OpenError::MigrationChanged(migration.version));
            }
            Some(_) => {}
            None => due.push(migration),
        }
    }
    Ok(due)
}

async fn table_exists(connection: Connection<'_>) -> Result<bool, Error> {
    let sql = connection.choose(sqlite::TABLE_EXISTS, postgres::TABLE_EXISTS);
    Ok(on!(connection, |connection| sqlx::query_scalar(sql).bind(TABLE).fetch_one(connection).await)?)
}

async fn lowest_binary(connection: Connection<'_>) -> Result<i64, Error> {
    const LOWEST_BINARY: &str = "SELECT lowest_binary FROM schema_compatibility";
    Ok(on!(connection, |connection| sqlx::query_scalar(LOWEST_BINARY).fetch_one(connection).await)?)
}

fn newest(known: &[Migration]) -> i64 {
    known.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn migrations(connection: &Connection<'_>) -> Vec<Migration> {
    let migration = |&(version, about, sqlite, postgres): &Text| {
        let sql = connection.choose(sqlite, postgres).into_sql_str();
        Migration::new(version, about.into(), MigrationType::Simple, sql, false)
    };
    MIGRATIONS.iter().map(migration).collect()
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::from(error),
            error => Self::Store(Error::Database(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_migration_file_is_listed_for_both_databases() {
        for (folder, text) in [("sqlite", 2), ("postgres", 3)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let mut files: Vec<_> =
                fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
            files.sort();
            assert_eq!(files.len(), MIGRATIONS.len());
            for (file, migration) in files.iter().zip(MIGRATIONS) {
                let name = file.file_name().and_then(|name| name.to_str()).expect("a plain name");
                assert_eq!(name, format!("{:04}_{}.sql", migration.0, migration.1.replace(' ', "_")));
                let listed = if text == 2 { migration.2 } else { migration.3 };
                assert_eq!(fs::read_to_string(file).expect("text"), listed);
            }
        }
    }

    #[test]
    fn versions_ascend_from_one_without_gaps() {
        let versions: Vec<_> = MIGRATIONS.iter().map(|migration| migration.0).collect();
        assert_eq!(versions, (1..).take(versions.len()).collect::<Vec<_>>());
    }

    #[test]
    fn a_migration_that_reads_otherwise_than_when_it_ran_is_named() {
        let migration = |sql: &'static str| {
            Migration::new(1, "first".into(), MigrationType::Simple, sql.into_sql_str(), false)
        };
        let known = [migration("CREATE TABLE a (b BIGINT)")];
        let applied =
            AppliedMigration { version: 1, checksum: migration("CREATE TABLE a (c BIGINT)").checksum };
        assert!(matches!(due(&known, &[applied]), Err(OpenError::MigrationChanged(1))));
    }
}
