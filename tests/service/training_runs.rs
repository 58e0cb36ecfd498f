//! What `TrainingService` answers, and `tagates runs` prints.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tagates::background::Nudge;
use tagates::domain::{Lease, Progress, Task};
use tagates::grpc::{self, CheckpointCheck, Health, StoreAccess};
use tagates::pb::training_service_client::TrainingServiceClient;
use tagates::pb::{self, RunState, TrainingRun};
use tagates::serving::{self, Worker};
use tagates::store::{Fenced, Finish, NewVersion, Store};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::app::{TestApp, config};
use crate::command_line::{error, lines, tagates};
use crate::tasks::{self, field};

const TASK: &str = "nasbench201-cifar10";
const LEASE: Duration = Duration::from_secs(60);

/// A server that trains nothing, so that a run stays as it is.
async fn spawn() -> TestApp {
    TestApp::spawn().await
}

fn service(app: &TestApp) -> TrainingServiceClient<Channel> {
    TrainingServiceClient::new(app.channel.clone())
}

async fn start(app: &TestApp, task: &str, request_id: &str) -> Result<TrainingRun, Status> {
    let request = pb::StartTrainingRunRequest { task: task.into(), request_id: request_id.into() };
    let reply = service(app).start_training_run(request).await?.into_inner();
    Ok(reply.run.expect("always set"))
}

async fn get(app: &TestApp, run: i64) -> Result<TrainingRun, Status> {
    let reply = service(app).get_training_run(pb::GetTrainingRunRequest { run }).await?.into_inner();
    Ok(reply.run.expect("always set"))
}

async fn cancel(app: &TestApp, run: i64) -> Result<TrainingRun, Status> {
    let reply = service(app).cancel_training_run(pb::CancelTrainingRunRequest { run }).await?.into_inner();
    Ok(reply.run.expect("always set"))
}

/// The numbers of the runs on all pages of a list.
async fn list(app: &TestApp, task: &str) -> Result<Vec<i64>, Status> {
    let (mut runs, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListTrainingRunsRequest { task: task.into(), page_size: 2, page_token };
        let page = service(app).list_training_runs(request).await?.into_inner();
        assert!(page.runs.len() <= 2);
        runs.extend(page.runs.into_iter().map(|run| run.run));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(runs);
        }
    }
}

#[tokio::test]
async fn a_task_has_one_unfinished_run_but_a_request_may_be_sent_again() {
    let app = spawn().await;
    let run = start(&app, TASK, "request-1").await.expect("a run");
    assert_eq!((run.state(), run.task.as_str(), run.why.as_str()), (RunState::Queued, TASK, "requested"));
    assert!(run.created_at.is_some() && run.finished_at.is_none() && run.progress.is_none());
    assert_eq!(start(&app, TASK, "request-1").await.expect("the same run"), run);
    assert_eq!(get(&app, run.run).await.expect("a run"), run);

    let second = start(&app, TASK, "").await.expect_err("one is unfinished");
    assert_eq!(second.code(), Code::AlreadyExists);
    let resource = second.get_details_resource_info().expect("which resource");
    assert_eq!(
        (resource.resource_type.as_str(), resource.resource_name),
        ("training run", run.run.to_string())
    );

    tasks::create(&app, tasks::task("a"), "").await.expect("a new task");
    let reused = start(&app, "a", "request-1").await.expect_err("another task");
    assert_eq!(field(&reused), "request_id");
    assert_eq!(list(&app, "").await.expect("a list"), [run.run]);
}

#[tokio::test]
async fn a_run_that_waits_is_cancelled_at_once_and_another_may_follow() {
    let app = spawn().await;
    let first = start(&app, TASK, "").await.expect("a run");
    let cancelled = cancel(&app, first.run).await.expect("cancelled");
    assert_eq!(cancelled.state(), RunState::Cancelled);
    assert!(cancelled.finished_at.is_some());
    assert_eq!(cancel(&app, first.run).await.expect("cancelled before"), cancelled);
    let second = start(&app, TASK, "").await.expect("another run");
    assert!(first.run < second.run);
}

#[tokio::test]
async fn runs_are_listed_newest_first_of_one_task_or_of_all() {
    let app = spawn().await;
    tasks::create(&app, tasks::task("a"), "").await.expect("a new task");
    let mut runs = Vec::new();
    for task in [TASK, TASK, "a", TASK, "a"] {
        let run = start(&app, task, "").await.expect("a run").run;
        cancel(&app, run).await.expect("cancelled");
        runs.push(run);
    }
    runs.reverse();
    assert_eq!(list(&app, "").await.expect("all"), runs);
    assert_eq!(list(&app, "a").await.expect("of one"), [runs[0], runs[2]]);
    assert_eq!(list(&app, TASK).await.expect("of one"), [runs[1], runs[3], runs[4]]);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let app = spawn().await;
    let unknown = get(&app, 99).await.expect_err("no run");
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(unknown.get_details_resource_info().expect("which resource").resource_name, "99");
    assert_eq!(cancel(&app, -1).await.expect_err("no run").code(), Code::NotFound);
    let watched = service(&app).watch_training_run(pb::WatchTrainingRunRequest { run: 0 }).await;
    assert_eq!(watched.expect_err("no run").code(), Code::NotFound);
    for status in [start(&app, "nobody", "").await.map(drop), list(&app, "nobody").await.map(drop)] {
        let status = status.expect_err("no task");
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.get_details_resource_info().expect("which resource").resource_name, "nobody");
    }
    assert_eq!(field(&start(&app, "No Name", "").await.expect_err("no name")), "task");
    assert_eq!(field(&start(&app, TASK, &"x".repeat(129)).await.expect_err("no id")), "request_id");
    let request = pb::ListTrainingRunsRequest { page_token: "x".into(), ..Default::default() };
    assert_eq!(field(&service(&app).list_training_runs(request).await.expect_err("no token")), "page_token");

    tasks::create(&app, tasks::task("a"), "").await.expect("a new task");
    let archive = pb::ArchiveTaskRequest { name: "a".into() };
    tasks::tasks(&app).archive_task(archive).await.expect("archived");
    let archived = start(&app, "a", "").await.expect_err("archived");
    assert_eq!(archived.code(), Code::FailedPrecondition);
    assert_eq!(list(&app, "a").await.expect("a list"), [0; 0]);
}

#[tokio::test]
async fn who_watches_does_not_delay_the_stop() {
    let app = spawn().await;
    let run = start(&app, TASK, "").await.expect("a run").run;
    let mut runs = service(&app)
        .watch_training_run(pb::WatchTrainingRunRequest { run })
        .await
        .expect("a stream")
        .into_inner();
    assert_eq!(next(&mut runs).await.expect("a message").expect("a run").state(), RunState::Queued);
    app.stop().await.expect("a stop in time");
    let end = next(&mut runs).await.expect_err("the server stopped");
    assert_eq!(end.code(), Code::Unavailable);
    assert!(end.get_details_retry_info().is_some());
}

async fn next(runs: &mut Streaming<pb::WatchTrainingRunResponse>) -> Result<Option<TrainingRun>, Status> {
    Ok(runs.message().await?.map(|message| message.run.expect("always set")))
}

/// The services on a store that the test has too, to play the part of whoever trains.
struct Trainer {
    store: Store,
    routes: Routes,
    stop: CancellationToken,
    _worker: Worker,
    _store: watch::Sender<Option<Store>>,
    _data_dir: TempDir,
}

impl Trainer {
    async fn start() -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let config = config(data_dir.path(), &[]);
        let store = Store::connect(&config.store).await.expect("a store");
        store.migrate(config.store.migrate).await.expect("a schema");
        store.task_insert(&Task::nasbench201_cifar10(), &Default::default(), None).await.expect("a task");
        let (sender, receiver) = watch::channel(Some(store.clone()));
        let (handle, worker) = serving::start(&config.serving).expect("a model thread");
        let (check, stop): (CheckpointCheck, _) = (Arc::new(|_, _| Ok(None)), CancellationToken::new());
        let access = StoreAccess::new(receiver, Nudge::default());
        let health = Health::starting().await;
        let routes = grpc::routes(&config.grpc, handle, &access, &health, check, &stop).expect("descriptors");
        Self { store, routes, stop, _worker: worker, _store: sender, _data_dir: data_dir }
    }

    fn service(&self) -> TrainingServiceClient<Routes> {
        TrainingServiceClient::new(self.routes.clone())
    }

    /// A run that is queued, and what is said of it from then on.
    async fn watched(&self) -> (i64, Streaming<pb::WatchTrainingRunResponse>) {
        let request = pb::StartTrainingRunRequest { task: TASK.into(), request_id: String::new() };
        let reply = self.service().start_training_run(request).await.expect("a run").into_inner();
        let run = reply.run.expect("always set").run;
        let request = pb::WatchTrainingRunRequest { run };
        let mut runs = self.service().watch_training_run(request).await.expect("a stream").into_inner();
        let first = next(&mut runs).await.expect("a message").expect("a run");
        assert_eq!((first.run, first.state()), (run, RunState::Queued));
        (run, runs)
    }

    async fn claim(&self) -> Lease {
        self.store.run_claim(LEASE, 3).await.expect("an answer").expect("a run that is queued").lease
    }
}

#[tokio::test]
async fn who_watches_sees_each_step_and_the_end() {
    let trainer = Trainer::start().await;
    let (run, mut runs) = trainer.watched().await;
    let lease = trainer.claim().await;
    let running = next(&mut runs).await.expect("a message").expect("a run");
    assert_eq!((running.state(), running.progress), (RunState::Running, None));
    assert!(running.started_at.is_some() && running.lease_expires_at.is_some() && running.up_to.is_some());

    let progress =
        Progress { epoch: 3, n_epochs: 9, loss: Some(0.5), holdout_tau: None, seconds_left: Some(6.0) };
    let held = trainer.store.run_heartbeat(&lease, Some(&progress), LEASE).await.expect("an answer");
    assert!(matches!(held, Fenced::Held(_)));
    let further = next(&mut runs).await.expect("a message").expect("a run");
    let expected = pb::TrainingProgress {
        epoch: 3,
        n_epochs: 9,
        loss: Some(0.5),
        holdout_tau: None,
        seconds_left: Some(6.0),
    };
    assert_eq!(further.progress, Some(expected));

    let report = Some(json!({"kendall_tau": 0.9, "n_rows": 4688}));
    let version = NewVersion { checkpoint: b"a checkpoint".to_vec(), report, decision: None };
    let finish = trainer.store.run_finish(&lease, &version, None).await.expect("an answer");
    let Finish::Finished(version) = finish else { panic!("{finish:?}") };
    let done = next(&mut runs).await.expect("a message").expect("a run");
    assert_eq!(
        (done.run, done.state(), done.model_version()),
        (run, RunState::Succeeded, version.0.as_str())
    );
    assert!(done.finished_at.is_some());
    assert_eq!(next(&mut runs).await.expect("an answer"), None);

    let again = pb::WatchTrainingRunRequest { run };
    let mut again = trainer.service().watch_training_run(again).await.expect("a stream").into_inner();
    assert_eq!(next(&mut again).await.expect("an answer"), Some(done));
    assert_eq!(next(&mut again).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_run_that_is_worked_on_is_asked_to_stop_and_says_so() {
    let trainer = Trainer::start().await;
    let (run, mut runs) = trainer.watched().await;
    let lease = trainer.claim().await;
    let request = pb::CancelTrainingRunRequest { run };
    let asked = trainer.service().cancel_training_run(request).await.expect("an answer").into_inner();
    let asked = asked.run.expect("always set");
    assert_eq!((asked.state(), asked.is_cancel_requested), (RunState::Running, true));
    assert_eq!(next(&mut runs).await.expect("an answer"), Some(asked));
    trainer.store.run_release(&lease).await.expect("an answer");
    let cancelled = next(&mut runs).await.expect("a message").expect("a run");
    assert_eq!(cancelled.state(), RunState::Cancelled);
    assert_eq!(next(&mut runs).await.expect("an answer"), None);
}

#[tokio::test]
async fn what_went_wrong_is_said_in_order() {
    let trainer = Trainer::start().await;
    let (run, mut runs) = trainer.watched().await;
    for (message, retry_after) in [("no room", Some(Duration::ZERO)), ("no room again", None)] {
        let lease = trainer.claim().await;
        trainer.store.run_fail(&lease, message, retry_after).await.expect("an answer");
    }
    let failed = loop {
        let seen = next(&mut runs).await.expect("a message").expect("a run");
        if seen.state() == RunState::Failed {
            break seen;
        }
    };
    let messages: Vec<_> = failed.errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!((failed.run, failed.n_attempts, messages), (run, 2, vec!["no room", "no room again"]));
    assert_eq!(next(&mut runs).await.expect("an answer"), None);
}

#[tokio::test]
async fn a_stream_ends_with_the_server() {
    let trainer = Trainer::start().await;
    let (_, mut runs) = trainer.watched().await;
    trainer.stop.cancel();
    assert_eq!(next(&mut runs).await.expect_err("the server stopped").code(), Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_starts_shows_and_cancels() {
    let app = spawn().await;
    let server = app.addr.to_string();
    let runs = move |arguments: &[&str]| {
        let output = tagates(&[&["runs"], arguments, &["--server", &server]].concat(), "");
        let records: Vec<Value> =
            lines(&output.stdout).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (output, records)
    };
    tokio::task::spawn_blocking(move || {
        let (output, started) = runs(&["start", "--task", TASK]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!((&started[0]["state"], &started[0]["task"]), (&json!("queued"), &json!(TASK)));
        let run = started[0]["run"].to_string();
        let (output, _) = runs(&["start", "--task", TASK]);
        assert!(error(&output).contains(&format!("unfinished training run: {run}")), "{output:?}");
        assert_eq!(runs(&["get", &run]).1, started);
        assert_eq!(runs(&["list"]).1, started);
        let (output, cancelled) = runs(&["cancel", &run]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(cancelled[0]["state"], "cancelled");
        let (output, watched) = runs(&["watch", &run]);
        assert_eq!((output.status.code(), &watched), (Some(1), &cancelled));
        assert_eq!(runs(&["list", "--task", TASK]).1, cancelled);
        let (output, _) = runs(&["get", "99"]);
        assert!(error(&output).contains("99"), "{output:?}");
    })
    .await
    .expect("no panic");
}
