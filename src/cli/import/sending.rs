//! Batches on their way: the next ones are read while the server works on one.

use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::mpsc;
use tonic::Request;
use tonic::transport::Channel;

use crate::cli::import::batches::{Batch, Table};
use crate::cli::import::tally::Tally;
use crate::cli::server::{Connection, Patience, without_index};
use crate::pb::observation_service_client::ObservationServiceClient;
use crate::pb::{self, record_result::Outcome};

/// Batches that are read ahead.
const N_READ_AHEAD: usize = 2;

/// How long the server may take for a batch before it is sent again.
const CALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Sends the table batch by batch, each until it is acknowledged.
///
/// # Errors
/// When the table cannot be read on, or the server refuses a batch as a whole or does not answer for too
/// long. What was counted until then is acknowledged.
pub(super) fn send(
    connection: &Connection,
    patience: Patience,
    table: &Table<'_>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let (batches, mut received) = mpsc::channel(N_READ_AHEAD);
    thread::scope(|scope| {
        scope.spawn(move || read(table, &batches));
        connection.run(async move {
            while let Some(batch) = received.recv().await {
                send_batch(connection.observations(), patience, batch?, tally).await?;
            }
            Ok(())
        })
    })
}

/// Reads until nobody wants more.
fn read(table: &Table<'_>, batches: &mpsc::Sender<anyhow::Result<Batch>>) {
    match table.batches() {
        Ok(read) => {
            for batch in read {
                if batches.blocking_send(batch).is_err() {
                    return;
                }
            }
        }
        Err(error) => drop(batches.blocking_send(Err(error))),
    }
}

async fn send_batch(
    client: ObservationServiceClient<Channel>,
    patience: Patience,
    batch: Batch,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let Batch { n_rows, observations, places, failures } = batch;
    for failure in &failures {
        tally.unreadable(failure);
    }
    if !observations.is_empty() {
        let message = pb::RecordObservationsRequest { observations };
        let call = async || {
            let mut request = Request::new(message.clone());
            request.set_timeout(CALL_TIMEOUT);
            client.clone().record_observations(request).await
        };
        let results = patience.call(call).await?.results;
        if results.len() != places.len() {
            bail!("server answered {} results to {} observations", results.len(), places.len());
        }
        for (result, place) in results.into_iter().zip(&places) {
            match result.outcome.context("server answered without a result")? {
                Outcome::NewSequence(_) => tally.new_observation(),
                Outcome::SameSequence(_) => tally.same(),
                Outcome::Conflict(conflict) => tally.conflict(place, &conflict.message),
                Outcome::Error(error) => tally.invalid(place, without_index(&error.message)),
            }
        }
    }
    tally.rows(n_rows);
    Ok(())
}
