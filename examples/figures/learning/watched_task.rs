//! A task of a server that trains: told of rows, waited for, asked for scores.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tagates::pb::model_service_client::ModelServiceClient;
use tagates::pb::observation::Outcome as Measured;
use tagates::pb::observation_service_client::ObservationServiceClient;
use tagates::pb::predict_result::Outcome;
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tagates::pb::record_result::Outcome as Recorded;
use tagates::pb::task_service_client::TaskServiceClient;
use tagates::pb::training_service_client::TrainingServiceClient;
use tagates::pb::{self, RunState};
use tokio::time;
use tonic::transport::Channel;

use crate::learning::rows::Row;
use crate::service::{BUDGET, Listing};

/// Architectures of one request.
const BATCH_SIZE: usize = 1_000;
/// Entries of a page: a figure has no more runs, versions or promotions than that.
const PAGE_SIZE: i32 = 1_000;
/// Between two looks at a run.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Between an answer and the next question.
const ANSWER_INTERVAL: Duration = Duration::from_millis(1);

pub struct WatchedTask {
    channel: Channel,
    name: String,
}

/// What a champion says of architectures, in their order.
pub struct Scores {
    pub version: String,
    pub scores: Vec<f64>,
}

impl WatchedTask {
    /// One that the server has.
    pub fn new(channel: Channel, name: &str) -> Self {
        Self { channel, name: name.to_owned() }
    }

    /// A new one, the accuracy of NAS-Bench-201 cells on CIFAR-10 after 200 epochs.
    pub async fn create(
        channel: Channel,
        name: &str,
        holdout_share: f64,
        policy: pb::RetrainingPolicy,
    ) -> anyhow::Result<Self> {
        let task = pb::Task {
            name: name.to_owned(),
            search_space: "nasbench201".to_owned(),
            dataset: "cifar10".to_owned(),
            metric: "test_accuracy".to_owned(),
            goal: pb::Goal::Maximize.into(),
            unit: pb::Unit::Percent.into(),
            budgets: vec![BUDGET],
            holdout_share: Some(holdout_share),
            retraining_policy: Some(policy),
            ..pb::Task::default()
        };
        let request = pb::CreateTaskRequest { task: Some(task), ..pb::CreateTaskRequest::default() };
        TaskServiceClient::new(channel.clone()).create_task(request).await?;
        Ok(Self::new(channel, name))
    }

    /// Records rows in one request, so that a run that they make due sees all of them.
    pub async fn record(&self, rows: &[Row]) -> anyhow::Result<()> {
        let observations = rows.iter().map(|row| pb::Observation {
            task: self.name.clone(),
            architecture: Some(pb::Architecture::from_text(&row.cell)),
            budget: Some(BUDGET),
            outcome: Some(Measured::Value(row.value)),
            ..pb::Observation::default()
        });
        let request = pb::RecordObservationsRequest { observations: observations.collect() };
        let mut service = ObservationServiceClient::new(self.channel.clone());
        for result in service.record_observations(request).await?.into_inner().results {
            let outcome = result.outcome.context("a result without outcome")?;
            ensure!(matches!(outcome, Recorded::NewSequence(_)), "not new: {outcome:?}");
        }
        Ok(())
    }

    /// Waits until a run that saw everything is over, and no other is under way.
    pub async fn settle(&self) -> anyhow::Result<pb::TrainingRun> {
        let request = pb::GetTaskRequest { name: self.name.clone() };
        let task = TaskServiceClient::new(self.channel.clone()).get_task(request).await?.into_inner().task;
        let last_sequence = task.context("a reply without a task")?.last_sequence;
        loop {
            let newest = self.runs().await?.into_iter().next();
            if let Some(run) = newest
                && run.finished_at.is_some()
                && run.up_to == Some(last_sequence)
            {
                ensure!(run.state() == RunState::Succeeded, "run {} ended otherwise: {run:?}", run.run);
                return Ok(run);
            }
            time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Its runs, the newest first.
    pub async fn runs(&self) -> anyhow::Result<Vec<pb::TrainingRun>> {
        let request = pb::ListTrainingRunsRequest {
            task: self.name.clone(),
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        let mut service = TrainingServiceClient::new(self.channel.clone());
        Ok(service.list_training_runs(request).await?.into_inner().runs)
    }

    /// One of its versions.
    pub async fn version(&self, version: &str) -> anyhow::Result<pb::ModelVersion> {
        let request = pb::GetModelVersionRequest { task: self.name.clone(), version: version.to_owned() };
        let reply = ModelServiceClient::new(self.channel.clone()).get_model_version(request).await?;
        reply.into_inner().version.context("a reply without a version")
    }

    /// Its versions, the newest first.
    pub async fn versions(&self) -> anyhow::Result<Vec<pb::ModelVersion>> {
        let request = pb::ListModelVersionsRequest {
            task: self.name.clone(),
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        let mut service = ModelServiceClient::new(self.channel.clone());
        Ok(service.list_model_versions(request).await?.into_inner().versions)
    }

    /// What was recorded, in its order.
    pub async fn observations(&self) -> anyhow::Result<Vec<pb::StoredObservation>> {
        let (mut listing, mut observations) = (Listing::of_task(&self.channel, &self.name), Vec::new());
        while let Some(page) = listing.page().await? {
            observations.extend(page);
        }
        Ok(observations)
    }

    /// Makes one of its versions champion in place of another.
    pub async fn promote(&self, version: &str, expected: &str) -> anyhow::Result<()> {
        let request = pb::PromoteModelVersionRequest {
            task: self.name.clone(),
            version: version.to_owned(),
            expected_champion: Some(expected.to_owned()),
            who: "figures".to_owned(),
            why: "by turns".to_owned(),
        };
        let reply = ModelServiceClient::new(self.channel.clone()).promote_model_version(request).await?;
        reply.into_inner().promotion.context("it was champion already")?;
        Ok(())
    }

    /// How champions came and went.
    pub async fn promotions(&self) -> anyhow::Result<Vec<pb::Promotion>> {
        let request = pb::ListPromotionsRequest {
            task: self.name.clone(),
            page_size: PAGE_SIZE,
            page_token: String::new(),
        };
        let mut service = ModelServiceClient::new(self.channel.clone());
        Ok(service.list_promotions(request).await?.into_inner().promotions)
    }

    /// Waits until it is this version that answers.
    pub async fn until_answered_by(&self, version: &str, row: &Row) -> anyhow::Result<()> {
        while self.predict(std::slice::from_ref(row)).await?.version != version {
            time::sleep(ANSWER_INTERVAL).await;
        }
        Ok(())
    }

    /// What is answered now of the rows' cells.
    pub async fn predict(&self, rows: &[Row]) -> anyhow::Result<Scores> {
        let mut service = PredictorServiceClient::new(self.channel.clone());
        let mut answer = Scores { version: String::new(), scores: Vec::with_capacity(rows.len()) };
        for batch in rows.chunks(BATCH_SIZE) {
            let architectures = batch.iter().map(|row| pb::Architecture::from_text(&row.cell)).collect();
            let request = pb::PredictRequest {
                task: self.name.clone(),
                model_version: answer.version.clone(),
                architectures,
            };
            let reply = service.predict(request).await?.into_inner();
            answer.version = reply.model_version;
            for result in reply.results {
                match result.outcome {
                    Some(Outcome::Prediction(prediction)) => answer.scores.push(prediction.score),
                    other => bail!("no prediction: {other:?}"),
                }
            }
        }
        Ok(answer)
    }
}
