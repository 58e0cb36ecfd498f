//! What `SearchSpaceService` answers.

use tagates::pb::{self, Architecture};
use tonic::Code;
use tonic_types::StatusExt;

use crate::app::TestApp;

const TEXT: &str = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|";

async fn describe(
    app: &TestApp,
    architecture: Architecture,
) -> Result<pb::DescribeArchitectureResponse, tonic::Status> {
    let request = pb::DescribeArchitectureRequest {
        search_space: "nasbench201".into(),
        architecture: Some(architecture),
    };
    app.search_spaces().describe_architecture(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn every_space_is_listed_and_can_be_got_by_its_name() {
    let app = TestApp::spawn().await;
    let list = app.search_spaces().list_search_spaces(pb::ListSearchSpacesRequest::default()).await;
    let spaces = list.expect("a list").into_inner().search_spaces;
    let nasbench201 = spaces.iter().find(|space| space.name == "nasbench201").expect("built in");
    assert_eq!(nasbench201.n_architectures, Some(15_625));
    assert_eq!(nasbench201.placement(), pb::Placement::Edge);
    assert_eq!(nasbench201.operations.len(), 5);
    for space in &spaces {
        let request = pb::GetSearchSpaceRequest { name: space.name.clone() };
        let reply = app.search_spaces().get_search_space(request).await.expect("a space").into_inner();
        assert_eq!(reply.search_space.as_ref(), Some(space));
    }
}

#[tokio::test]
async fn a_space_that_does_not_exist_is_named() {
    let app = TestApp::spawn().await;
    let request = pb::GetSearchSpaceRequest { name: "nasbench999".into() };
    let status = app.search_spaces().get_search_space(request).await.expect_err("no such space");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.get_details_resource_info().expect("which resource").resource_name, "nasbench999");
}

#[tokio::test]
async fn an_architecture_is_described_the_same_from_its_text_and_from_its_graph() {
    let app = TestApp::spawn().await;
    let from_text = describe(&app, Architecture::from_text(TEXT)).await.expect("a description");
    assert_eq!(from_text.text, TEXT);
    assert!(from_text.parameters.is_some_and(|n| n > 0) && from_text.flops.is_some_and(|n| n > 0));
    assert!(from_text.canonical_id.starts_with("nasbench201"));
    let graph = from_text.graph.clone().expect("a graph");
    assert_eq!(graph.cells[0].edges.len(), 6);
    let notation = Some(pb::architecture::Notation::Graph(graph));
    let from_graph = describe(&app, Architecture { notation, saliencies: None }).await;
    assert_eq!(from_graph.expect("a description"), from_text);
}

#[tokio::test]
async fn an_architecture_that_is_none_names_its_field() {
    let app = TestApp::spawn().await;
    let status = describe(&app, Architecture::from_text("|none~0|")).await.expect_err("truncated");
    let details = status.get_details_bad_request().expect("which field");
    assert_eq!(details.field_violations[0].field, "architecture.text");
}

#[tokio::test]
async fn samples_are_reproduced_by_their_seed() {
    let app = TestApp::spawn().await;
    let sample = async |count, seed| {
        let request = pb::SampleArchitecturesRequest { search_space: "nasbench201".into(), count, seed };
        app.search_spaces().sample_architectures(request).await.map(|reply| reply.into_inner().architectures)
    };
    let drawn = sample(50, 1).await.expect("a sample");
    assert_eq!(drawn.len(), 50);
    assert_eq!(sample(50, 1).await.expect("a sample"), drawn);
    assert_ne!(sample(50, 2).await.expect("a sample"), drawn);
    app.scores(&drawn).await;
    for count in [0, 4_097] {
        let status = sample(count, 1).await.expect_err("a count out of range");
        assert_eq!(status.get_details_bad_request().expect("which field").field_violations[0].field, "count");
    }
}

#[tokio::test]
async fn a_page_has_no_negative_size() {
    let app = TestApp::spawn().await;
    let request = pb::ListSearchSpacesRequest { page_size: -1, ..Default::default() };
    let status = app.search_spaces().list_search_spaces(request).await.expect_err("a negative size");
    assert_eq!(status.get_details_bad_request().expect("which field").field_violations[0].field, "page_size");
}
