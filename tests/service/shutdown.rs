//! SIGTERM while calls are under way, sent to the binary itself.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tagates::pb::PredictRequest;
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::app::{TestApp, sample};

/// `tagates serve` as a process of its own, and the URL it listens at.
fn serve(data_dir: &Path) -> (Child, String) {
    let mut server = Command::new(env!("CARGO_BIN_EXE_tagates"))
        .args(["serve", "--listen", "127.0.0.1:0", "--drain-timeout-s", "60", "--data-dir"])
        .arg(data_dir)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let log = server.stderr.take().expect("piped");
    let mut lines = BufReader::new(log).lines().map(|line| line.expect("a line of the log"));
    let addr = lines
        .find_map(|line| Some(line.split_once("listening addr=")?.1.trim().to_owned()))
        .expect("the log says where it listens");
    // Read on, so that the server never waits for its log to be read.
    std::thread::spawn(move || lines.for_each(drop));
    (server, format!("http://{addr}"))
}

/// Whether the server has not begun with a call: it closed the connection, or took no new one. The second
/// status is what the client makes of a call that it had not sent yet.
fn is_refused(status: &Status) -> bool {
    status.code() == Code::Unavailable
        || (status.code() == Code::Cancelled && status.message() == "operation was canceled")
}

fn terminate(server: &Child) {
    let sent = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_calls_are_answered_new_ones_refused_and_the_exit_code_is_zero() {
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let (mut server, url) = serve(data_dir.path());
    let endpoint = Endpoint::from_shared(url).expect("a URL");
    let is_stopping = Arc::new(AtomicBool::new(false));
    let (answered, mut answers) = mpsc::unbounded_channel();
    let mut clients = JoinSet::new();
    for _ in 0..8 {
        let mut predictor = PredictorServiceClient::new(endpoint.connect().await.expect("a connection"));
        let (answered, is_stopping) = (answered.clone(), is_stopping.clone());
        // Calls without a pause until it is refused; how often it was answered after the signal.
        clients.spawn(async move {
            let mut n_answered_while_stopping = 0;
            loop {
                let request = PredictRequest { architectures: sample(128), ..Default::default() };
                match predictor.predict(request).await {
                    Ok(reply) => assert_eq!(reply.into_inner().results.len(), 128),
                    Err(status) => break (status, n_answered_while_stopping),
                }
                n_answered_while_stopping += usize::from(is_stopping.load(Ordering::SeqCst));
                answered.send(()).expect("the test listens");
            }
        });
    }
    for _ in 0..8 {
        answers.recv().await.expect("an answer");
    }
    is_stopping.store(true, Ordering::SeqCst);
    terminate(&server);

    let mut n_answered_while_stopping = 0;
    for (status, n_answered) in clients.join_all().await {
        assert!(is_refused(&status), "a call was neither answered nor refused: {status:?}");
        n_answered_while_stopping += n_answered;
    }
    assert!(n_answered_while_stopping > 0);
    let exit = tokio::task::spawn_blocking(move || server.wait()).await.expect("no panic").expect("it ends");
    assert_eq!(exit.code(), Some(0));
    endpoint.connect().await.expect_err("nobody listens any more");
}

#[tokio::test]
async fn a_client_that_keeps_a_stream_open_does_not_delay_the_stop() {
    let app = TestApp::spawn().await;
    let (keep_open, requests) = mpsc::channel(1);
    let mut reflection = ServerReflectionClient::new(app.channel.clone());
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    keep_open.send(list).await.expect("room for a request");
    let mut replies = reflection
        .server_reflection_info(ReceiverStream::new(requests))
        .await
        .expect("a stream")
        .into_inner();
    replies.message().await.expect("a reply").expect("a list of services");
    app.stop().await.expect("a stop in time");
    drop(keep_open);
}

#[test]
fn an_address_that_is_taken_is_an_error_that_names_the_flag() {
    let data_dirs = [(); 2].map(|()| tempfile::tempdir().expect("a temporary folder"));
    let (mut server, url) = serve(data_dirs[0].path());
    let mut second = Command::new(env!("CARGO_BIN_EXE_tagates"))
        .args(["serve", "--listen", url.trim_start_matches("http://"), "--data-dir"])
        .arg(data_dirs[1].path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut log = String::new();
    second.stderr.take().expect("piped").read_to_string(&mut log).expect("a log");
    assert_eq!(second.wait().expect("it ends").code(), Some(1));
    assert!(log.contains("--listen"), "{log}");
    terminate(&server);
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
}
