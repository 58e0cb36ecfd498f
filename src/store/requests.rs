//! Requests that created something, so that they can be sent again.

use crate::domain::{RunId, TaskName};
use crate::store::backend::{Connection, on, row};
use crate::store::{Error, RequestKey};

/// How long a request can be sent again.
const REQUEST_LIFETIME_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

pub(in crate::store) async fn requests_delete_expired(
    connection: Connection<'_>,
    now: i64,
) -> Result<(), Error> {
    const REQUESTS_DELETE_EXPIRED: &str = "DELETE FROM task_requests WHERE expires_at <= $1";
    on!(connection, |connection| {
        sqlx::query(REQUESTS_DELETE_EXPIRED).bind(now).execute(connection).await.map(drop)
    })?;
    Ok(())
}

/// Whether the request, which created a run of the task or else the task, is new.
pub(in crate::store) async fn request_insert(
    connection: Connection<'_>,
    request: &RequestKey,
    task: &TaskName,
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
            .bind(task.as_str())
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
