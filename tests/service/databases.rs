//! The server and its database: how it starts, what it does while the database is away, what outlives it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tagates::pb::observation_service_client::ObservationServiceClient;
use tagates::pb::record_result::Outcome;
use tagates::pb::task_service_client::TaskServiceClient;
use tagates::pb::{self, ObservationFilter};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::{task, time};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::app::{TestApp, sample};
use crate::command_line::{error, tagates, text};
use crate::database::{Database, Postgres};
use crate::observations::{TASK, list, observations, record};
use crate::tasks;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The database every PostgreSQL has.
const DATABASE: &str = "postgres";

/// Tells the server to do something that takes long.
async fn on(mut server: Postgres, command: fn(&mut Postgres)) -> Postgres {
    let done = task::spawn_blocking(move || {
        command(&mut server);
        server
    });
    done.await.expect("a server that obeys")
}

async fn health(app: &TestApp) -> ServingStatus {
    health_of(app, "").await
}

async fn health_of(app: &TestApp, service: &str) -> ServingStatus {
    let check = HealthCheckRequest { service: service.into() };
    HealthClient::new(app.channel.clone()).check(check).await.expect("an answer").into_inner().status()
}

async fn until_ready(app: &TestApp) {
    let watch = HealthClient::new(app.channel.clone()).watch(HealthCheckRequest::default()).await;
    let mut changes = watch.expect("a stream").into_inner();
    let ready = async {
        while changes.message().await.expect("a server that lives").expect("a status").status()
            != ServingStatus::Serving
        {}
    };
    time::timeout(PATIENCE, ready).await.expect("it becomes ready by itself");
}

async fn predict(app: &TestApp, task: &str) -> Result<pb::PredictResponse, Status> {
    let request =
        pb::PredictRequest { task: task.into(), architectures: sample(1), ..pb::PredictRequest::default() };
    app.predictor().predict(request).await.map(Response::into_inner)
}

/// Predicts until the answer has the code: the server learns of a task soon, but not at once.
async fn until_predict_answers(app: &TestApp, task: &str, code: Code) -> Status {
    let asking = async {
        loop {
            match predict(app, task).await {
                Err(status) if status.code() == code => return status,
                Ok(_) | Err(_) => task::yield_now().await,
            }
        }
    };
    time::timeout(PATIENCE, asking).await.expect("the server learns of it")
}

/// Checks that the client was told to try again, and when.
fn assert_may_be_sent_again(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()), "{status:?}");
}

fn serve(flags: &[&str]) -> Output {
    tagates(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat(), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_yet_is_waited_for_and_nothing_else_answers_for_it() {
    let server = on(Postgres::start(&[]), Postgres::stop).await;
    let app = TestApp::spawn_with(&["--database", &server.url(DATABASE)]).await;
    assert_eq!(health(&app).await, ServingStatus::NotServing);
    for task in ["", TASK, "other"] {
        assert_may_be_sent_again(&predict(&app, task).await.expect_err("nobody knows the champion"));
    }
    assert_may_be_sent_again(&record(&app, observations(1)).await.expect_err("nowhere to store it"));
    assert_eq!(health(&app).await, ServingStatus::NotServing);
    assert_eq!(health_of(&app, "live").await, ServingStatus::Serving);

    let _server = on(server, Postgres::start_again).await;
    until_ready(&app).await;
    assert_eq!(predict(&app, "").await.expect("an answer").task, TASK);
    record(&app, observations(1)).await.expect("it is stored");
    app.stop().await.expect("a clean stop");
}

/// A client that records one observation after the other.
struct Client {
    service: ObservationServiceClient<Channel>,
    seed: i64,
    /// Told of each answer: whether it was an acknowledgement.
    answered: mpsc::UnboundedSender<bool>,
}

/// What it met until it was stopped.
struct Met {
    acknowledged: Vec<i64>,
    refusals: Vec<Status>,
}

impl Client {
    /// Sends each observation until it is acknowledged, and stops after one.
    async fn record_until(mut self, is_over: Arc<AtomicBool>) -> Met {
        let cells = observations(1_000);
        let mut met = Met { acknowledged: Vec::new(), refusals: Vec::new() };
        while !is_over.load(Ordering::Acquire) {
            let cell = cells[met.acknowledged.len() % cells.len()].clone();
            let seed = self.seed + 10 * i64::try_from(met.acknowledged.len() / cells.len()).expect("few");
            let observations = vec![pb::Observation { seed, ..cell }];
            let number = loop {
                let request = pb::RecordObservationsRequest { observations: observations.clone() };
                match self.service.record_observations(request).await {
                    Ok(reply) => break number(&reply.into_inner().results[0]),
                    Err(status) => met.refusals.push(status),
                }
                self.answered.send(false).expect("the test listens");
            };
            met.acknowledged.push(number);
            self.answered.send(true).expect("the test listens");
        }
        met
    }
}

/// The number under which an observation is stored; one that was sent twice may have been stored before.
fn number(result: &pb::RecordResult) -> i64 {
    match result.outcome {
        Some(Outcome::NewSequence(number) | Outcome::SameSequence(number)) => number,
        ref other => panic!("it is stored, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_and_comes_back_under_load_costs_no_prediction_and_no_observation() {
    let mut server = task::spawn_blocking(|| Postgres::start(&[])).await.expect("a server");
    let app = TestApp::spawn_with(&["--database", &server.url(DATABASE)]).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let (answered, mut answers) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for seed in 0..4 {
        let service = ObservationServiceClient::new(app.channel.clone());
        let client = Client { service, seed, answered: answered.clone() };
        clients.spawn(client.record_until(is_over.clone()));
    }
    let mut until = async |is_acknowledged: bool, mut n_answers: usize| {
        while n_answers > 0 {
            let answer = time::timeout(PATIENCE, answers.recv()).await.expect("an answer in time");
            n_answers -= usize::from(answer.expect("a client lives") == is_acknowledged);
        }
    };
    for command in [Postgres::stop as fn(&mut Postgres), Postgres::crash] {
        until(true, 100).await;
        server = on(server, command).await;
        for _ in 0..10 {
            until(false, 1).await;
            predict(&app, TASK).await.expect("predictions go on");
        }
        server = on(server, Postgres::start_again).await;
    }
    until(true, 100).await;
    is_over.store(true, Ordering::Release);

    let mut acknowledged = BTreeSet::new();
    for met in clients.join_all().await {
        for number in met.acknowledged {
            assert!(acknowledged.insert(number), "{number} was given twice");
        }
        met.refusals.iter().for_each(assert_may_be_sent_again);
    }
    let n_acknowledged = i64::try_from(acknowledged.len()).expect("few");
    assert_eq!(acknowledged.last(), Some(&n_acknowledged), "what is stored was acknowledged");
    let get = pb::GetTaskRequest { name: TASK.into() };
    let task = TaskServiceClient::new(app.channel.clone()).get_task(get).await.expect("an answer");
    assert_eq!(task.into_inner().task.expect("always set").last_sequence, n_acknowledged);
    assert_eq!(health(&app).await, ServingStatus::Serving);
    app.stop().await.expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_start_at_once_on_an_empty_database_share_a_task_and_its_champion() {
    let database = Database::postgres().await;
    let [flag, url] = database.flags();
    let flags = [flag.as_str(), url.as_str()];
    let (one, two) = tokio::join!(TestApp::spawn_with(&flags), TestApp::spawn_with(&flags));
    let champion = async |app: &TestApp| {
        until_ready(app).await;
        predict(app, "").await.expect("an answer").model_version
    };
    assert_eq!(champion(&one).await, champion(&two).await);
    assert_eq!(database.number("SELECT count(*) FROM tasks").await, 1);
    assert_eq!(database.number("SELECT count(*) FROM model_versions").await, 1);
    // What one records, the other knows.
    record(&one, observations(3)).await.expect("they are stored");
    assert_eq!(list(&two, ObservationFilter::default(), false).await.len(), 3);
    one.stop().await.expect("a clean stop");
    two.stop().await.expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_has_one_process_and_outlives_it() {
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let app = TestApp::spawn_in(data_dir.path(), &[]).await;
    record(&app, observations(5)).await.expect("they are stored");
    let before = list(&app, ObservationFilter::default(), false).await;

    let path = data_dir.path().to_owned();
    let second = task::spawn_blocking(move || serve(&["--data-dir", text(&path)])).await.expect("no panic");
    let error = error(&second);
    let process = format!("process {}", std::process::id());
    assert!(error.contains("--data-dir") && error.contains(&process), "{error}");

    app.stop().await.expect("a clean stop");
    let again = TestApp::spawn_in(data_dir.path(), &[]).await;
    assert_eq!(list(&again, ObservationFilter::default(), false).await, before);
    assert_eq!(before.len(), 5);
    again.stop().await.expect("a clean stop");
}

#[test]
fn a_data_directory_that_cannot_be_is_an_error_that_names_the_flag() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let below: &Path = &file.path().join("tagates");
    let error = error(&serve(&["--data-dir", text(below)]));
    assert!(error.contains("--data-dir") && error.contains(text(below)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_may_not_migrate_names_the_versions() {
    for database in [Database::sqlite(), Database::postgres().await] {
        let [flag, place] = database.flags();
        let output = task::spawn_blocking(move || serve(&[&flag, &place, "--migrate", "check"]));
        let error = error(&output.await.expect("no panic"));
        assert!(error.contains("at version none") && error.contains("this binary needs "), "{error}");
        drop(database.store().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_predicted_for_once_it_has_a_model_and_until_it_is_archived() {
    let app = TestApp::spawn().await;
    tasks::create(&app, tasks::task("other"), "").await.expect("a new task");
    let status = until_predict_answers(&app, "other", Code::FailedPrecondition).await;
    let details = status.get_details_precondition_failure().expect("which precondition");
    let violation = &details.violations[0];
    assert_eq!((violation.r#type.as_str(), violation.subject.as_str()), ("MODEL_PROMOTED", "tasks/other"));

    let archive = pb::ArchiveTaskRequest { name: "other".into() };
    TaskServiceClient::new(app.channel.clone()).archive_task(archive).await.expect("archived");
    let status = until_predict_answers(&app, "other", Code::NotFound).await;
    assert_eq!(status.get_details_resource_info().expect("which resource").resource_name, "other");
    assert_eq!(predict(&app, "").await.expect("the only task that is left").task, TASK);
}
