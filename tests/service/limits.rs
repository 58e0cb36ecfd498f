//! Calls that are too large, too late or too many.

use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use tagates::app::shipped;
use tagates::background::Nudge;
use tagates::domain::Task;
use tagates::grpc::{self, CheckpointCheck, DeadlineLayer, Health, StoreAccess};
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tagates::pb::{Architecture, PredictRequest};
use tagates::serving;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request};
use tonic_types::StatusExt;
use tower::ServiceBuilder;

use crate::app::{TestApp, config, sample};

#[tokio::test]
async fn more_architectures_than_one_call_may_hold_are_refused_with_both_numbers() {
    let app = TestApp::spawn().await;
    let status = app.predict(sample(10_000)).await.expect_err("too many");
    assert_eq!(status.code(), Code::InvalidArgument);
    let violation = &status.get_details_bad_request().expect("which field").field_violations[0];
    assert_eq!(violation.field, "architectures");
    assert!(
        violation.description.contains("10000") && violation.description.contains("4096"),
        "{violation:?}"
    );
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_with_its_size_and_the_limit() {
    let app = TestApp::spawn().await;
    let status =
        app.predict(vec![Architecture::from_text("x".repeat(5 << 20))]).await.expect_err("too large");
    assert_eq!(status.code(), Code::OutOfRange);
    let limit = grpc::MAX_MESSAGE_BYTES.to_string();
    assert!(status.message().contains("52428") && status.message().contains(&limit), "{status:?}");
    app.scores(&sample(1)).await;
}

/// Past the transport: the client's own would answer first.
#[tokio::test]
async fn a_deadline_that_has_passed_is_answered_as_such() {
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let config = config(data_dir.path(), &[]);
    let checkpoint = shipped::checkpoint().expect("the shipped checkpoint");
    let (handle, worker) = serving::start(&config.serving).expect("a model thread");
    handle.swap(serving::load(Task::nasbench201_cifar10(), &checkpoint, &Device::Cpu).expect("a model"));
    let store = StoreAccess::new(watch::channel(None).1, Nudge::default());
    let health = Health::starting().await;
    let (check, stop): (CheckpointCheck, _) = (Arc::new(|_, _| Ok(None)), CancellationToken::new());
    let routes = grpc::routes(&config.grpc, handle, &store, &health, check, &stop).expect("descriptors");
    let service = ServiceBuilder::new().layer(DeadlineLayer).service(routes);
    let task = "nasbench201-cifar10".to_owned();
    let mut request = Request::new(PredictRequest { task, architectures: sample(1), ..Default::default() });
    request.set_timeout(Duration::from_nanos(1));
    let status = PredictorServiceClient::new(service).predict(request).await.expect_err("too late");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    worker.stop().await.expect("the thread ends by itself");
}

#[tokio::test]
async fn a_full_queue_tells_when_to_retry_and_answers_again_afterwards() {
    let app = TestApp::spawn_with(&["--queue-capacity", "1"]).await;
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let (mut predictor, architectures) = (app.predictor(), sample(1_024));
        calls.spawn(async move {
            predictor.predict(PredictRequest { architectures, ..Default::default() }).await
        });
    }
    let (answered, refused): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().partition(Result::is_ok);
    assert!(
        !answered.is_empty() && !refused.is_empty(),
        "{} answered, {} refused",
        answered.len(),
        refused.len()
    );
    for status in refused.into_iter().map(|refused| refused.expect_err("partitioned")) {
        assert_eq!(status.code(), Code::ResourceExhausted);
        let delay = status.get_details_retry_info().and_then(|info| info.retry_delay).expect("when to retry");
        assert!(Duration::ZERO < delay && delay < Duration::from_mins(1), "{delay:?}");
    }
    app.scores(&sample(1)).await;
}
