//! The observation service.

use tonic::{Request, Response, Status, Streaming};
use tracing::Span;

use crate::domain::Sequence;
use crate::grpc::task::task_name;
use crate::grpc::{StoreAccess, paging, recording, status};
use crate::pb::observation_service_server::ObservationService;
use crate::pb::record_result::Outcome;
use crate::pb::{self, WireError, import_failure};

/// Failures that an import, or conflicts that an undone retraction, tells of.
const MAX_FAILURES: usize = 100;

/// Keeps observations.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Observations {
    store: StoreAccess,
}

impl Observations {
    pub fn new(store: StoreAccess) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl ObservationService for Observations {
    #[tracing::instrument(name = "rpc.record_observations", skip_all, fields(n_observations))]
    async fn record_observations(
        &self,
        request: Request<pb::RecordObservationsRequest>,
    ) -> Result<Response<pb::RecordObservationsResponse>, Status> {
        let observations = request.into_inner().observations;
        Span::current().record("n_observations", observations.len());
        if observations.is_empty() {
            return Err(WireError::new("observations", "at least one is needed").into());
        }
        recording::check_count(observations.len())?;
        let outcomes = recording::record(&self.store.get()?, observations, 0).await?;
        self.store.recorded();
        let results = outcomes.into_iter().map(|outcome| pb::RecordResult { outcome: Some(outcome) });
        Ok(Response::new(pb::RecordObservationsResponse { results: results.collect() }))
    }

    /// A message is only taken from the stream when the one before it is stored.
    #[tracing::instrument(name = "rpc.import_observations", skip_all, fields(n_observations))]
    async fn import_observations(
        &self,
        request: Request<Streaming<pb::ImportObservationsRequest>>,
    ) -> Result<Response<pb::ImportObservationsResponse>, Status> {
        let mut stream = request.into_inner();
        let (mut reply, mut n_observations) = (pb::ImportObservationsResponse::default(), 0);
        while let Some(message) = stream.message().await? {
            let n_in_message = message.observations.len();
            recording::check_count(n_in_message)?;
            let outcomes =
                recording::record(&self.store.get()?, message.observations, n_observations).await?;
            for (index, outcome) in outcomes.into_iter().enumerate() {
                count(&mut reply, (n_observations + index) as u64, outcome);
            }
            n_observations += n_in_message;
        }
        Span::current().record("n_observations", n_observations);
        Ok(Response::new(reply))
    }

    #[tracing::instrument(name = "rpc.list_observations", skip_all, fields(task = request.get_ref().task))]
    async fn list_observations(
        &self,
        request: Request<pb::ListObservationsRequest>,
    ) -> Result<Response<pb::ListObservationsResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let filter = request.filter.unwrap_or_default().decode().map_err(|error| error.within("filter"))?;
        let page_size = paging::page_size(request.page_size)?;
        let after = paging::sequence_before(&request.page_token)?;
        let store = self.store.get()?;
        let entries =
            store.observations_page(&task, &filter, request.with_retracted, after, page_size + 1).await?;
        let (page, next_page_token) = paging::cut(entries, page_size, |last| last.sequence.to_string());
        let observations = page.iter().map(Into::into).collect();
        Ok(Response::new(pb::ListObservationsResponse { observations, next_page_token }))
    }

    #[tracing::instrument(name = "rpc.retract_observations", skip_all, fields(task = request.get_ref().task))]
    async fn retract_observations(
        &self,
        request: Request<pb::RetractObservationsRequest>,
    ) -> Result<Response<pb::RetractObservationsResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let (filter, reason) = request.decode()?;
        let retraction = self.store.get()?.observations_retract(&task, &filter, &reason).await?;
        Ok(Response::new(pb::RetractObservationsResponse { retraction: Some((&retraction).into()) }))
    }

    #[tracing::instrument(name = "rpc.undo_retraction", skip_all, fields(task = request.get_ref().task))]
    async fn undo_retraction(
        &self,
        request: Request<pb::UndoRetractionRequest>,
    ) -> Result<Response<pb::UndoRetractionResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let undone = self.store.get()?.retraction_undo(&task, Sequence(request.sequence)).await?;
        let undone =
            undone.ok_or_else(|| status::not_found("retraction", &format!("{task}/{}", request.sequence)))?;
        let response = pb::UndoRetractionResponse::new(&undone.retraction, undone.recorded, MAX_FAILURES);
        Ok(Response::new(response))
    }

    #[tracing::instrument(name = "rpc.list_retractions", skip_all, fields(task = request.get_ref().task))]
    async fn list_retractions(
        &self,
        request: Request<pb::ListRetractionsRequest>,
    ) -> Result<Response<pb::ListRetractionsResponse>, Status> {
        let request = request.into_inner();
        let task = task_name("task", &request.task)?;
        let page_size = paging::page_size(request.page_size)?;
        let after = paging::sequence_before(&request.page_token)?;
        let entries = self.store.get()?.retractions_page(&task, after, page_size + 1).await?;
        let (page, next_page_token) = paging::cut(entries, page_size, |last| last.sequence.to_string());
        let retractions = page.iter().map(Into::into).collect();
        Ok(Response::new(pb::ListRetractionsResponse { retractions, next_page_token }))
    }
}

/// Adds what became of an observation to the reply of its import.
fn count(reply: &mut pb::ImportObservationsResponse, index: u64, outcome: Outcome) {
    let reason = match outcome {
        Outcome::NewSequence(_) => {
            reply.n_new += 1;
            return;
        }
        Outcome::SameSequence(_) => {
            reply.n_same += 1;
            return;
        }
        Outcome::Conflict(conflict) => {
            reply.n_conflicts += 1;
            import_failure::Reason::Conflict(conflict)
        }
        Outcome::Error(error) => {
            reply.n_invalid += 1;
            import_failure::Reason::Error(error)
        }
    };
    if reply.failures.len() < MAX_FAILURES {
        reply.failures.push(pb::ImportFailure { index, reason: Some(reason) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_counts_all_and_lists_the_first_failures() {
        let mut reply = pb::ImportObservationsResponse::default();
        count(&mut reply, 0, Outcome::NewSequence(1));
        count(&mut reply, 1, Outcome::SameSequence(1));
        for index in 2..302 {
            count(&mut reply, index, Outcome::Error(status::of_item(WireError::new("value", "is wrong"))));
        }
        count(&mut reply, 302, Outcome::Conflict(pb::ObservationConflict::default()));
        assert_eq!((reply.n_new, reply.n_same, reply.n_conflicts, reply.n_invalid), (1, 1, 1, 300));
        let indices: Vec<u64> = reply.failures.iter().map(|failure| failure.index).collect();
        assert_eq!(indices, (2..102).collect::<Vec<u64>>());
    }
}
