//! Two servers that start at once on an empty database.

use anyhow::Context;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tagates::pb::task_service_client::TaskServiceClient;
use tagates::pb::{self};
use tokio::task;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::Figure;
use crate::databases::postgres;
use crate::processes::{Server, Tagates};
use crate::service::{cells, connect};

/// Starts two on a new database, `times` times.
pub async fn start_two(tagates: &Tagates, times: usize) -> anyhow::Result<Figure> {
    let postgres = postgres();
    let mut figure = Figure::default();
    let mut n_clean = 0;
    for number in 0..times {
        let name = format!("empty_{number}");
        let mut admin = PgConnection::connect(&postgres.url("postgres")).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await?;
        admin.close().await?;
        match start_both(tagates, &postgres.url(&name)).await {
            Ok(()) => n_clean += 1,
            Err(error) => figure.shortcomings.push(format!("start {number}: {error:#}")),
        }
    }
    figure.text = format!("2 servers at once on an empty database {times} times: {n_clean} clean starts");
    figure.expect(n_clean == times, "every start is clean");
    Ok(figure)
}

/// Two servers, both ready, with one task and one champion between them.
async fn start_both(tagates: &Tagates, url: &str) -> anyhow::Result<()> {
    let start = || {
        let (tagates, flags) = (tagates.clone(), ["--database".to_owned(), url.to_owned()]);
        task::spawn_blocking(move || tagates.serve(&flags))
    };
    let (one, two) = tokio::join!(start(), start());
    let (one, two) = (one??, two??);
    let (first, second) = (champion(&one).await?, champion(&two).await?);
    anyhow::ensure!(first == second, "champion {first} at one, {second} at the other");
    let mut database = PgConnection::connect(url).await?;
    for table in ["tasks", "model_versions"] {
        let count = format!("SELECT count(*) FROM {table}");
        let n: i64 = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut database).await?;
        anyhow::ensure!(n == 1, "{n} rows in {table}");
    }
    one.stop()?;
    two.stop()
}

/// The version that answers for the only task of a server that is ready.
async fn champion(server: &Server) -> anyhow::Result<String> {
    let channel = connect(&server.url()).await?;
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await?.into_inner();
    anyhow::ensure!(health.status() == ServingStatus::Serving, "a server listens that is not ready");
    let tasks = TaskServiceClient::new(channel.clone()).list_tasks(pb::ListTasksRequest::default()).await?;
    let n_tasks = tasks.into_inner().tasks.len();
    anyhow::ensure!(n_tasks == 1, "{n_tasks} tasks");
    let cell = cells().into_iter().next().context("a cell")?;
    let architectures = vec![pb::Architecture::from_text(cell)];
    let request = pb::PredictRequest { architectures, ..pb::PredictRequest::default() };
    Ok(PredictorServiceClient::new(channel).predict(request).await?.into_inner().model_version)
}
