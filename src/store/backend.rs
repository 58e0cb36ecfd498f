//! The two databases as one: whatever both can do is written once and compiled for each.

use std::ops::DerefMut;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::store::{Error, postgres, sqlite};

/// Evaluates one expression on a [`Connection`] of either database. The expression is compiled twice, so
/// sqlx infers the database, and the SQL is the same text for both.
macro_rules! on {
    ($backend:expr, |$connection:ident| $query:expr) => {
        match $backend {
            $crate::store::backend::Backend::Sqlite($connection) => $query,
            $crate::store::backend::Backend::Postgres($connection) => $query,
        }
    };
}

/// Something that each of the two databases has in its own kind.
#[derive(Clone, Debug)]
pub(in crate::store) enum Backend<S, P> {
    Sqlite(S),
    Postgres(P),
}

/// What a query runs on.
pub(in crate::store) type Connection<'c> = Backend<&'c mut SqliteConnection, &'c mut PgConnection>;

/// A connection for a query that changes nothing.
pub(in crate::store) type Reader = Backend<PoolConnection<Sqlite>, PoolConnection<Postgres>>;

/// Changes that happen together. Dropped, it is rolled back.
pub(in crate::store) type Transaction =
    Backend<sqlx::Transaction<'static, Sqlite>, sqlx::Transaction<'static, Postgres>>;

impl<S, P> Backend<S, P>
where
    S: DerefMut<Target = SqliteConnection>,
    P: DerefMut<Target = PgConnection>,
{
    /// For the next query.
    pub fn connection(&mut self) -> Connection<'_> {
        match self {
            Self::Sqlite(connection) => Backend::Sqlite(connection),
            Self::Postgres(connection) => Backend::Postgres(connection),
        }
    }
}

impl Connection<'_> {
    /// What each database is told in its own words.
    pub fn choose(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// The database's clock, in microseconds since 1970-01-01 UTC.
    pub async fn now(self) -> Result<i64, Error> {
        let sql = self.choose(sqlite::NOW, postgres::NOW);
        Ok(on!(self, |connection| sqlx::query_scalar(sql).fetch_one(connection).await)?)
    }

    /// 32 random hexadecimal digits, by the database's own generator.
    pub async fn token(self) -> Result<String, Error> {
        let sql = self.choose(sqlite::TOKEN, postgres::TOKEN);
        Ok(on!(self, |connection| sqlx::query_scalar(sql).fetch_one(connection).await)?)
    }
}

impl Transaction {
    /// Makes the changes last: when this returns, they survive the death of this process.
    pub async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    /// Unmakes the changes, and waits until they are.
    pub async fn rollback(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(transaction) => transaction.rollback().await?,
            Self::Postgres(transaction) => transaction.rollback().await?,
        }
        Ok(())
    }
}

/// A row of a result, its columns by name, from either database.
macro_rules! row {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident { $($seen:vis $column:ident: $type:ty,)* }) => {
        $(#[$attribute])*
        #[derive(Debug)]
        $visibility struct $name { $($seen $column: $type,)* }

        impl<'r, R> sqlx::FromRow<'r, R> for $name
        where
            R: sqlx::Row,
            &'static str: sqlx::ColumnIndex<R>,
            $($type: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)*
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self { $($column: row.try_get(stringify!($column))?,)* })
            }
        }
    };
}

pub(in crate::store) use {on, row};

/// Rows that one statement takes: at 11 values each, well below what either database lets one have.
const N_ROWS_PER_STATEMENT: usize = 500;

/// The rows in parts that a statement can take.
pub(in crate::store) fn statements<T>(rows: &[T]) -> std::slice::Chunks<'_, T> {
    rows.chunks(N_ROWS_PER_STATEMENT)
}

/// Whether a statement for so many rows is worth keeping prepared. All others are prepared once: kept for
/// each number of rows, they would fill the memory of both sides.
pub(in crate::store) fn is_reused<T>(rows: &[T]) -> bool {
    rows.len() == 1 || rows.len() == N_ROWS_PER_STATEMENT
}
