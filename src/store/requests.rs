//! Requests that created something, so that they can be sent again.

use crate::domain::RunId;
use crate::store::backend::{Connection, Transaction, on, row};
use crate::store::{Error, RequestKey};

/// How long a request can be sent again.
const REQUEST_LIFETIME_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// What a request is to create, by the name it is found by.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Creates<'a> {
    Task(&'a str),
    SearchSpace(&'a str),
}

/// What became of a request that was to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Taken {
    /// It did not come before, and nobody else takes it now.
    New,
    /// It came before, and created what has this name.
    Before(String),
    /// It came before with another body.
    Reused,
}

/// Takes a request before what it creates is made: the same request, sent twice at once, waits here for the first.
///
/// # Errors
/// When the database fails.
pub(in crate::store) async fn request_take(
    tx: &mut Transaction,
    request: &RequestKey,
    creates: Creates<'_>,
    now: i64,
) -> Result<Taken, Error> {
    requests_delete_expired(tx.connection(), now).await?;
    let (is_new, before) = match creates {
        Creates::Task(name) => {
            let is_new = request_insert(tx.connection(), request, name, None, now).await?;
            let before = request_by_id(tx.connection(), &request.id).await?;
            // One that queued a run created no task.
            (is_new, before.map(|row| (row.body_digest, row.run_id.is_none().then_some(row.task_name))))
        }
        Creates::SearchSpace(name) => {
            let is_new = search_space_request_insert(tx.connection(), request, name, now).await?;
            let before = search_space_request_by_id(tx.connection(), &request.id).await?;
            (is_new, before.map(|row| (row.body_digest, Some(row.search_space))))
        }
    };
    match before {
        Some(_) if is_new => Ok(Taken::New),
        Some((digest, Some(name))) if digest == request.digest => Ok(Taken::Before(name)),
        Some(_) => Ok(Taken::Reused),
        // It expired since it was found there.
        None => Err(Error::Unavailable("request expired meanwhile".into())),
    }
}

pub(in crate::store) async fn requests_delete_expired(
    mut connection: Connection<'_>,
    now: i64,
) -> Result<(), Error> {
    const TASK_REQUESTS_DELETE_EXPIRED: &str = "DELETE FROM task_requests WHERE expires_at <= $1";
    const SEARCH_SPACE_REQUESTS_DELETE_EXPIRED: &str =
        "DELETE FROM search_space_requests WHERE expires_at <= $1";
    for delete in [TASK_REQUESTS_DELETE_EXPIRED, SEARCH_SPACE_REQUESTS_DELETE_EXPIRED] {
        on!(connection.connection(), |connection| {
            sqlx::query(delete).bind(now).execute(connection).await.map(drop)
        })?;
    }
    Ok(())
}

/// Whether the request, which created a run of the task or else the task, is new.
pub(in crate::store) async fn request_insert(
    connection: Connection<'_>,
    request: &RequestKey,
    task: &str,
    run: Option<RunId>,
    now: i64,
) -> Result<bool, Error> {
    const REQUEST_INSERT: &str = "
        INSERT INTO task_requests (request_id, body_digest, task_name, run_id, expires_at)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (request_id) DO NOTHING";
    let n_inserted = on!(connection, |connection| {
        sqlx::query(REQUEST_INSERT)
            .bind(&request.id)
            .bind(&request.digest[..])
            .bind(task)
            .bind(run.map(|run| run.0))
            .bind(now + REQUEST_LIFETIME_MICROS)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_inserted == 1)
}

row! {
    pub(in crate::store) struct RequestRow {
        pub body_digest: Vec<u8>,
        pub task_name: String,
        pub run_id: Option<i64>,
    }
}

pub(in crate::store) async fn request_by_id(
    connection: Connection<'_>,
    id: &str,
) -> Result<Option<RequestRow>, Error> {
    const REQUEST_BY_ID: &str =
        "SELECT body_digest, task_name, run_id FROM task_requests WHERE request_id = $1";
    Ok(on!(connection, |connection| {
        sqlx::query_as(REQUEST_BY_ID).bind(id).fetch_optional(connection).await
    })?)
}

/// Whether the request, which created the search space, is new.
async fn search_space_request_insert(
    connection: Connection<'_>,
    request: &RequestKey,
    search_space: &str,
    now: i64,
) -> Result<bool, Error> {
    const SEARCH_SPACE_REQUEST_INSERT: &str = "
        INSERT INTO search_space_requests (request_id, body_digest, search_space, expires_at)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (request_id) DO NOTHING";
    let n_inserted = on!(connection, |connection| {
        sqlx::query(SEARCH_SPACE_REQUEST_INSERT)
            .bind(&request.id)
            .bind(&request.digest[..])
            .bind(search_space)
            .bind(now + REQUEST_LIFETIME_MICROS)
            .execute(connection)
            .await
            .map(|done| done.rows_affected())
    })?;
    Ok(n_inserted == 1)
}

row! {
    struct SearchSpaceRequestRow {
        body_digest: Vec<u8>,
        search_space: String,
    }
}

async fn search_space_request_by_id(
    connection: Connection<'_>,
    id: &str,
) -> Result<Option<SearchSpaceRequestRow>, Error> {
    const SEARCH_SPACE_REQUEST_BY_ID: &str =
        "SELECT body_digest, search_space FROM search_space_requests WHERE request_id = $1";
    Ok(on!(connection, |connection| {
        sqlx::query_as(SEARCH_SPACE_REQUEST_BY_ID).bind(id).fetch_optional(connection).await
    })?)
}
