//! Search spaces that users created: once, then nothing of them changes.

use std::sync::Arc;

use crate::space::{self, SearchSpace};
use crate::store::backend::{Connection, on, row};
use crate::store::error::Cause;
use crate::store::requests::{Creates, Taken, request_take};
use crate::store::tasks::json;
use crate::store::{Error, RequestKey, SearchSpaceCreated, Store};

impl Store {
    /// Keeps a search space. The same one again changes nothing, with or without the request it came with before.
    ///
    /// # Errors
    /// When the database fails, or the row of that name cannot be read.
    pub async fn search_space_create(
        &self,
        space: &SearchSpace,
        request: Option<&RequestKey>,
    ) -> Result<SearchSpaceCreated, Error> {
        let mut tx = self.begin().await?;
        let now = tx.connection().now().await?;
        if let Some(request) = request {
            match request_take(&mut tx, request, Creates::SearchSpace(&space.name), now).await? {
                Taken::New => {}
                Taken::Before(_) => {
                    tx.rollback().await?;
                    return Ok(SearchSpaceCreated::Same);
                }
                Taken::Reused => {
                    tx.rollback().await?;
                    return Ok(SearchSpaceCreated::RequestReused);
                }
            }
        }
        if search_space_insert(tx.connection(), space, now).await? {
            tx.commit().await?;
            return Ok(SearchSpaceCreated::New);
        }
        let kept = search_space_by_name(tx.connection(), &space.name).await?;
        if kept.is_some_and(|kept| *kept == *space) {
            tx.commit().await?;
            return Ok(SearchSpaceCreated::Same);
        }
        tx.rollback().await?;
        Ok(SearchSpaceCreated::NameTaken)
    }

    /// The search space of that name that a user created; built-in ones are not kept here.
    ///
    /// # Errors
    /// When the database fails or the row cannot be read.
    pub async fn search_space_get(&self, name: &str) -> Result<Option<Arc<SearchSpace>>, Error> {
        search_space_by_name(self.reader().await?.connection(), name).await
    }

    /// Up to `limit` search spaces that users created, after a name (the empty one is before all), ascending by
    /// name. One that this binary cannot read is reported and passed over, as tasks are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn search_spaces_list(&self, after: &str, limit: u32) -> Result<Vec<Arc<SearchSpace>>, Error> {
        let mut reader = self.reader().await?;
        let mut after = after.to_owned();
        let mut spaces = Vec::new();
        loop {
            let n_missing = limit - spaces.len() as u32;
            let rows = search_spaces_after(reader.connection(), &after, n_missing).await?;
            let Some(last) = rows.last() else { return Ok(spaces) };
            after.clone_from(&last.name);
            for row in rows {
                match Arc::try_from(row) {
                    Ok(space) => spaces.push(space),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "passing over a search space that this binary cannot read");
                    }
                }
            }
        }
    }
}

/// The search space a row names: the one that is kept as `definition`, which stays what it was where a later binary has
/// a built-in of its name, or else the built-in one.
pub(in crate::store) fn resolved(name: &str, definition: Option<&str>) -> Result<Arc<SearchSpace>, Cause> {
    match definition {
        Some(definition) => {
            let read = serde_json::from_str(definition).map(Arc::new);
            Ok(read.map_err(|source| format!("search space {name} cannot be read: {source}"))?)
        }
        None => {
            Ok(space::builtin(name)
                .ok_or_else(|| format!("search space {name} is not known to this binary"))?)
        }
    }
}

/// Whether the name was free.
async fn search_space_insert(
    connection: Connection<'_>,
    space: &SearchSpace,
    now: i64,
) -> Result<bool, Error> {
    const SEARCH_SPACE_INSERT: &str = "
        INSERT INTO search_spaces (name, definition, created_at)
        VALUES ($1, $2, $3)
        ON CONFLICT (name) DO NOTHING";
    let n_inserted = on!(connection, |connection| {
        sqlx::query(SEARCH_SPACE_INSERT)
            .bind(&space.name)
            .bind(json(space))
            .bind(now)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_inserted == 1)
}

async fn search_space_by_name(
    connection: Connection<'_>,
    name: &str,
) -> Result<Option<Arc<SearchSpace>>, Error> {
    const SEARCH_SPACE_BY_NAME: &str = "SELECT name, definition FROM search_spaces WHERE name = $1";
    let row: Option<SearchSpaceRow> = on!(connection, |connection| {
        sqlx::query_as(SEARCH_SPACE_BY_NAME).bind(name).fetch_optional(connection).await
    })?;
    row.map(Arc::try_from).transpose()
}

async fn search_spaces_after(
    connection: Connection<'_>,
    after: &str,
    limit: u32,
) -> Result<Vec<SearchSpaceRow>, Error> {
    const SEARCH_SPACES_AFTER: &str =
        "SELECT name, definition FROM search_spaces WHERE name > $1 ORDER BY name LIMIT $2";
    Ok(on!(connection, |connection| {
        sqlx::query_as(SEARCH_SPACES_AFTER).bind(after).bind(i64::from(limit)).fetch_all(connection).await
    })?)
}

row! {
    struct SearchSpaceRow {
        name: String,
        definition: String,
    }
}

impl TryFrom<SearchSpaceRow> for Arc<SearchSpace> {
    type Error = Error;

    fn try_from(row: SearchSpaceRow) -> Result<Self, Error> {
        let read = serde_json::from_str(&row.definition).map(Self::new);
        read.map_err(|source| Error::corrupt(format!("search space {}", row.name), source))
    }
}
