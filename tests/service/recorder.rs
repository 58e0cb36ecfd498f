//! A server that records observations in memory and can be made to fail: what the commands that send and
//! fetch observations are tried against.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tagates::domain::{Observation, Recorded, RetrainingPolicy, Sequence, StoredObservation, StoredTask};
use tagates::domain::{Task, Timestamp};
use tagates::pb::observation_service_server::{ObservationService, ObservationServiceServer};
use tagates::pb::record_result::Outcome;
use tagates::pb::task_service_server::{TaskService, TaskServiceServer};
use tagates::pb::{self, WireError};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

/// What was recorded, for the built-in task. It stays when the server goes.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    stored: Vec<Observation>,
    /// Where in `stored` a key is.
    places: HashMap<String, usize>,
    n_lost_answers: usize,
}

/// A recorder that listens, until it is killed or dropped.
pub struct Serving {
    pub addr: SocketAddr,
    runtime: Runtime,
}

impl Serving {
    /// Breaks every connection, whatever is on it, and waits until the address is free.
    pub fn kill(self) {
        drop(self.runtime);
    }
}

impl Recorder {
    /// What is stored, in order.
    pub fn stored(&self) -> Vec<Observation> {
        self.state().stored.clone()
    }

    /// Carries out the next `n` calls, but answers them with UNAVAILABLE.
    pub fn lose_answers(&self, n: usize) {
        self.state().n_lost_answers = n;
    }

    /// Listens, on `addr` or on a free port.
    pub fn serve(&self, addr: Option<SocketAddr>) -> Serving {
        let runtime = Runtime::new().expect("a runtime");
        let addr = addr.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = runtime.block_on(TcpListener::bind(addr)).expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let server = Server::builder()
            .add_service(ObservationServiceServer::new(self.clone()))
            .add_service(TaskServiceServer::new(self.clone()));
        runtime.spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        Serving { addr, runtime }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while it is held")
    }
}

impl State {
    fn record(&mut self, message: pb::Observation) -> Result<Outcome, WireError> {
        let observation = message.decode(&Task::nasbench201_cifar10())?;
        let key = format!("{:?}", observation.key());
        let recorded = match self.places.get(&key).copied() {
            Some(index) if self.stored[index].measurement() == observation.measurement() => {
                Recorded::Same(sequence(index))
            }
            Some(index) => {
                let stored = self.stored[index].measurement().clone();
                Recorded::Conflict { sequence: sequence(index), stored }
            }
            None => {
                self.places.insert(key, self.stored.len());
                self.stored.push(observation.clone());
                Recorded::New(sequence(self.stored.len() - 1))
            }
        };
        Ok(Outcome::new(recorded, observation.measurement()))
    }
}

fn sequence(index: usize) -> Sequence {
    Sequence(i64::try_from(index + 1).expect("few"))
}

fn not_needed<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not needed here"))
}

#[tonic::async_trait]
impl ObservationService for Recorder {
    async fn record_observations(
        &self,
        request: Request<pb::RecordObservationsRequest>,
    ) -> Result<Response<pb::RecordObservationsResponse>, Status> {
        let mut state = self.state();
        let results = (request.into_inner().observations.into_iter().enumerate()).map(|(index, message)| {
            let outcome = state.record(message).unwrap_or_else(|error| {
                let message = error.within(format!("observations[{index}]")).to_string();
                let code = Code::InvalidArgument.into();
                Outcome::Error(tonic_types::pb::Status { code, message, details: vec![] })
            });
            pb::RecordResult { outcome: Some(outcome) }
        });
        let results = results.collect();
        if let Some(n_left) = state.n_lost_answers.checked_sub(1) {
            state.n_lost_answers = n_left;
            let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(1)));
            return Err(Status::with_error_details(Code::Unavailable, "answer lost", details));
        }
        Ok(Response::new(pb::RecordObservationsResponse { results }))
    }

    async fn list_observations(
        &self,
        request: Request<pb::ListObservationsRequest>,
    ) -> Result<Response<pb::ListObservationsResponse>, Status> {
        let request = request.into_inner();
        let after: usize = request.page_token.parse().unwrap_or(0);
        let stored = self.stored();
        let entries = stored.iter().cloned().enumerate().skip(after).take(7);
        let observations: Vec<_> = entries
            .map(|(index, observation)| {
                pb::StoredObservation::from(&StoredObservation {
                    sequence: sequence(index),
                    class: observation.key().architecture.canonical().id,
                    observation,
                    recorded_at: Timestamp { unix_micros: 1_000_000 },
                    retracted_by: None,
                })
            })
            .collect();
        let next = after + observations.len();
        let next_page_token = if next < stored.len() { next.to_string() } else { String::new() };
        Ok(Response::new(pb::ListObservationsResponse { observations, next_page_token }))
    }

    async fn import_observations(
        &self,
        _: Request<Streaming<pb::ImportObservationsRequest>>,
    ) -> Result<Response<pb::ImportObservationsResponse>, Status> {
        not_needed()
    }

    async fn retract_observations(
        &self,
        _: Request<pb::RetractObservationsRequest>,
    ) -> Result<Response<pb::RetractObservationsResponse>, Status> {
        not_needed()
    }

    async fn undo_retraction(
        &self,
        _: Request<pb::UndoRetractionRequest>,
    ) -> Result<Response<pb::UndoRetractionResponse>, Status> {
        not_needed()
    }

    async fn list_retractions(
        &self,
        _: Request<pb::ListRetractionsRequest>,
    ) -> Result<Response<pb::ListRetractionsResponse>, Status> {
        not_needed()
    }
}

#[tonic::async_trait]
impl TaskService for Recorder {
    async fn get_task(
        &self,
        _: Request<pb::GetTaskRequest>,
    ) -> Result<Response<pb::GetTaskResponse>, Status> {
        let stored = StoredTask {
            task: Task::nasbench201_cifar10(),
            policy: RetrainingPolicy::default(),
            saliency_proxy: None,
            created_at: Timestamp { unix_micros: 0 },
            archived_at: None,
            last_sequence: Sequence(0),
            promotion_paused_at: None,
        };
        Ok(Response::new(pb::GetTaskResponse { task: Some((&stored).into()) }))
    }

    async fn create_task(
        &self,
        _: Request<pb::CreateTaskRequest>,
    ) -> Result<Response<pb::CreateTaskResponse>, Status> {
        not_needed()
    }

    async fn list_tasks(
        &self,
        _: Request<pb::ListTasksRequest>,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        not_needed()
    }

    async fn update_task(
        &self,
        _: Request<pb::UpdateTaskRequest>,
    ) -> Result<Response<pb::UpdateTaskResponse>, Status> {
        not_needed()
    }

    async fn archive_task(
        &self,
        _: Request<pb::ArchiveTaskRequest>,
    ) -> Result<Response<pb::ArchiveTaskResponse>, Status> {
        not_needed()
    }
}
