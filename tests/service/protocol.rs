//! The standard services: health and reflection.

use std::collections::BTreeSet;

use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::app::TestApp;

const SERVICES: [&str; 9] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "tagates.v1.ModelService",
    "tagates.v1.ObservationService",
    "tagates.v1.PredictorService",
    "tagates.v1.SearchSpaceService",
    "tagates.v1.TaskService",
    "tagates.v1.TrainingService",
];

#[tokio::test]
async fn every_service_is_healthy_once_the_model_has_answered() {
    let app = TestApp::spawn().await;
    let mut health = HealthClient::new(app.channel.clone());
    for service in ["", "tagates.v1.PredictorService", "tagates.v1.SearchSpaceService"] {
        let reply =
            health.check(HealthCheckRequest { service: service.into() }).await.expect("a known service");
        assert_eq!(reply.into_inner().status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = health.check(HealthCheckRequest { service: "tagates.v1.None".into() }).await;
    assert_eq!(unknown.expect_err("an unknown service").code(), Code::NotFound);
}

#[tokio::test]
async fn who_watches_is_told_of_the_stop_and_does_not_delay_it() {
    let app = TestApp::spawn().await;
    let request = HealthCheckRequest { service: "tagates.v1.PredictorService".into() };
    let mut watch =
        HealthClient::new(app.channel.clone()).watch(request).await.expect("a known service").into_inner();
    let first = watch.message().await.expect("a message").expect("a status");
    assert_eq!(first.status(), ServingStatus::Serving);
    app.stop().await.expect("a stop in time");
    let second = watch.message().await.expect("a message").expect("a status");
    assert_eq!(second.status(), ServingStatus::NotServing);
    assert_eq!(watch.message().await.expect("an orderly end"), None);
}

/// Asks one version of the reflection service for the list of services, and for the file that holds the
/// details of errors, which no service names.
macro_rules! reflect {
    ($app:expr, $version:ident) => {{
        use $version::server_reflection_client::ServerReflectionClient;
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;

        let request = |message| $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message),
        };
        let requests = tokio_stream::iter([
            request(MessageRequest::ListServices(String::new())),
            request(MessageRequest::FileContainingSymbol("google.rpc.BadRequest".into())),
        ]);
        let mut replies = ServerReflectionClient::new($app.channel.clone())
            .server_reflection_info(requests)
            .await
            .expect("reflection")
            .into_inner();
        let mut next =
            async || replies.message().await.expect("a message").expect("a reply").message_response;
        let Some(MessageResponse::ListServicesResponse(list)) = next().await else {
            panic!("no list of services")
        };
        assert!(matches!(next().await, Some(MessageResponse::FileDescriptorResponse(_))), "no google.rpc");
        list.service.into_iter().map(|service| service.name).collect::<BTreeSet<_>>()
    }};
}

#[tokio::test]
async fn both_versions_of_reflection_list_every_service() {
    let app = TestApp::spawn().await;
    let expected = BTreeSet::from(SERVICES.map(String::from));
    assert_eq!(reflect!(app, v1), expected);
    assert_eq!(reflect!(app, v1alpha), expected);
}
