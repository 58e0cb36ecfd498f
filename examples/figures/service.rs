//! The calls the figures make.

use anyhow::Context;
use tagates::domain::Task;
use tagates::pb::observation::Outcome as Measured;
use tagates::pb::observation_service_client::ObservationServiceClient;
use tagates::pb::record_result::Outcome;
use tagates::pb::task_service_client::TaskServiceClient;
use tagates::pb::{self, ObservationFilter};
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// The built-in task.
pub const TASK: &str = "nasbench201-cifar10";

/// Its larger budget, in epochs.
pub const BUDGET: u32 = 200;

/// Entries of a page at most.
const PAGE_SIZE: i32 = 1_000;

/// A connection of its own, which is made anew when it breaks.
pub async fn connect(url: &str) -> anyhow::Result<Channel> {
    Endpoint::from_shared(url.to_owned())?.connect().await.with_context(|| format!("{url} does not answer"))
}

/// Every cell of NAS-Bench-201 as text.
pub fn cells() -> Vec<String> {
    let space = Task::nasbench201_cifar10().space;
    let all = space.enumerate().expect("a finite space");
    all.map(|cell| cell.text().to_owned()).collect()
}

/// A value of a cell after 200 epochs.
pub fn observation(cell: &str, seed: i64, value: f64) -> pb::Observation {
    pb::Observation {
        task: TASK.into(),
        architecture: Some(pb::Architecture::from_text(cell)),
        budget: Some(BUDGET),
        outcome: Some(Measured::Value(value)),
        seed,
        ..pb::Observation::default()
    }
}

/// A value that needs all its digits and is soon made again.
pub fn value(index: usize) -> f64 {
    50.0 + 50.0 * (index as f64).sin().abs()
}

/// What became of each.
pub async fn record(channel: &Channel, observations: Vec<pb::Observation>) -> Result<Vec<Outcome>, Status> {
    let request = pb::RecordObservationsRequest { observations };
    let reply = ObservationServiceClient::new(channel.clone()).record_observations(request).await?;
    let results = reply.into_inner().results.into_iter();
    results.map(|result| result.outcome.ok_or_else(|| Status::internal("a result without outcome"))).collect()
}

/// The last number given in the built-in task.
pub async fn last_sequence(channel: &Channel) -> anyhow::Result<i64> {
    let request = pb::GetTaskRequest { name: TASK.into() };
    let reply = TaskServiceClient::new(channel.clone()).get_task(request).await?.into_inner();
    Ok(reply.task.context("a reply without a task")?.last_sequence)
}

/// A reader of a task's observations, page by page.
pub struct Listing {
    service: ObservationServiceClient<Channel>,
    request: Option<pb::ListObservationsRequest>,
}

impl Listing {
    /// Of all of the built-in task.
    pub fn new(channel: &Channel) -> Self {
        Self::of_task(channel, TASK)
    }

    /// Of all of a task.
    pub fn of_task(channel: &Channel, task: &str) -> Self {
        Self::filtered(channel, task, ObservationFilter::default())
    }

    /// Of those of the built-in task with these numbers, retracted or not.
    pub fn numbered(channel: &Channel, sequences: impl Iterator<Item = i64>) -> Self {
        let sequences = sequences.collect();
        Self::filtered(channel, TASK, ObservationFilter { sequences, ..ObservationFilter::default() })
    }

    fn filtered(channel: &Channel, task: &str, filter: ObservationFilter) -> Self {
        let request = pb::ListObservationsRequest {
            task: task.into(),
            filter: Some(filter),
            with_retracted: true,
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        Self { service: ObservationServiceClient::new(channel.clone()), request: Some(request) }
    }

    /// The next page; `None` after the last.
    pub async fn page(&mut self) -> anyhow::Result<Option<Vec<pb::StoredObservation>>> {
        let Some(request) = self.request.take() else { return Ok(None) };
        let page = self.service.list_observations(request.clone()).await?.into_inner();
        if !page.next_page_token.is_empty() {
            self.request = Some(pb::ListObservationsRequest { page_token: page.next_page_token, ..request });
        }
        Ok(Some(page.observations))
    }
}
