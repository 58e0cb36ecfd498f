//! What `SearchSpaceService` answers.

use tagates::pb::record_result::Outcome;
use tagates::pb::{self, Architecture, wiring::Kind};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::app::TestApp;
use crate::observations::record;
use crate::tasks::{self, field};

const TEXT: &str = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|";

async fn describe_in(
    app: &TestApp,
    search_space: &str,
    architecture: Architecture,
) -> Result<pb::DescribeArchitectureResponse, Status> {
    let request = pb::DescribeArchitectureRequest {
        search_space: search_space.into(),
        architecture: Some(architecture),
        svg: false,
    };
    app.search_spaces().describe_architecture(request).await.map(tonic::Response::into_inner)
}

async fn describe(
    app: &TestApp,
    architecture: Architecture,
) -> Result<pb::DescribeArchitectureResponse, Status> {
    describe_in(app, "nasbench201", architecture).await
}

/// Cells of five nodes whose two operations sit on the edges, as few of these as one likes.
pub fn definition(name: &str) -> pb::SearchSpace {
    let operation = |name: &str, role: pb::Role| pb::Operation { name: name.into(), role: role.into() };
    pb::SearchSpace {
        name: name.into(),
        description: "A space of a test".into(),
        placement: pb::Placement::Edge.into(),
        operations: vec![operation("conv", pb::Role::Parametrised), operation("pool", pb::Role::Free)],
        cells: vec![pb::CellShape { name: "cell".into(), n_nodes: 5, n_inputs: 1, ..Default::default() }],
        wiring: Some(pb::Wiring { kind: Some(Kind::Free(pb::FreeWiring { max_edges: 8 })) }),
        output: pb::Join::Concatenation.into(),
        ..Default::default()
    }
}

pub async fn create(
    app: &TestApp,
    space: pb::SearchSpace,
    request_id: &str,
) -> Result<pb::CreateSearchSpaceResponse, Status> {
    let request = pb::CreateSearchSpaceRequest { search_space: Some(space), request_id: request_id.into() };
    app.search_spaces().create_search_space(request).await.map(tonic::Response::into_inner)
}

async fn get(app: &TestApp, name: &str) -> Result<pb::SearchSpace, Status> {
    let request = pb::GetSearchSpaceRequest { name: name.into() };
    let reply = app.search_spaces().get_search_space(request).await?.into_inner();
    Ok(reply.search_space.expect("always set"))
}

/// The names on pages of 2.
async fn names(app: &TestApp) -> Vec<String> {
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSearchSpacesRequest { page_size: 2, page_token };
        let page = app.search_spaces().list_search_spaces(request).await.expect("a page").into_inner();
        assert!(page.search_spaces.len() <= 2);
        names.extend(page.search_spaces.into_iter().map(|space| space.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return names;
        }
    }
}

pub async fn sample(
    app: &TestApp,
    search_space: &str,
    count: u32,
    seed: u64,
) -> Result<Vec<Architecture>, Status> {
    let request = pb::SampleArchitecturesRequest { search_space: search_space.into(), count, seed };
    app.search_spaces().sample_architectures(request).await.map(|reply| reply.into_inner().architectures)
}

#[tokio::test]
async fn a_space_is_created_once_and_never_changes() {
    let app = TestApp::spawn().await;
    let first = create(&app, definition("mine"), "").await.expect("a new space");
    assert!(first.is_new);
    let space = first.search_space.expect("always set");
    let expected = pb::SearchSpace {
        notation: "graph".into(),
        dead_nodes: pb::DeadNodes::Kept.into(),
        read_out: pb::ReadOut::Output.into(),
        ..definition("mine")
    };
    assert_eq!(space, expected);
    for request_id in ["", "r", "r"] {
        let again = create(&app, definition("mine"), request_id).await.expect("the same space");
        assert_eq!((again.is_new, again.search_space.as_ref()), (false, Some(&space)));
    }
    let reused = create(&app, definition("other"), "r").await.expect_err("another body");
    assert_eq!(field(&reused), "request_id");

    let other = pb::SearchSpace { output: pb::Join::Sum.into(), ..definition("mine") };
    let builtin = definition("nasbench201");
    for (taken, name) in [(other, "mine"), (builtin, "nasbench201")] {
        let status = create(&app, taken, "").await.expect_err("the name is taken");
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(status.get_details_resource_info().expect("which resource").resource_name, name);
    }
    assert_eq!(get(&app, "mine").await.expect("a space"), space);
    assert_eq!(names(&app).await, ["darts", "enas", "mine", "nasbench101", "nasbench201"]);
}

#[tokio::test]
async fn a_space_that_cannot_be_names_its_field() {
    let app = TestApp::spawn().await;
    let wrong = async |change: &dyn Fn(&mut pb::SearchSpace)| {
        let mut space = definition("mine");
        change(&mut space);
        field(&create(&app, space, "").await.expect_err("a wrong field"))
    };
    assert_eq!(wrong(&|space| space.name = "a/b".into()).await, "search_space.name");
    assert_eq!(wrong(&|space| space.description = "x".repeat(1_001)).await, "search_space.description");
    assert_eq!(wrong(&|space| space.placement = 9).await, "search_space.placement");
    assert_eq!(wrong(&|space| space.wiring = None).await, "search_space.wiring.kind");
    assert_eq!(wrong(&|space| space.output = 9).await, "search_space.output");
    assert_eq!(wrong(&|space| space.dead_nodes = -9).await, "search_space.dead_nodes");
    assert_eq!(wrong(&|space| space.read_out = 9).await, "search_space.read_out");
    assert_eq!(wrong(&|space| space.operations.clear()).await, "search_space.operations");
    assert_eq!(
        wrong(&|space| space.operations[1].name = "conv".into()).await,
        "search_space.operations[1].name"
    );
    assert_eq!(wrong(&|space| space.operations[0].role = 0).await, "search_space.operations[0].role");
    assert_eq!(wrong(&|space| space.cells[0].n_nodes = 17).await, "search_space.cells[0].n_nodes");
    assert_eq!(wrong(&|space| space.cells[0].n_inputs = 5).await, "search_space.cells[0].n_inputs");
    assert_eq!(wrong(&|space| space.cells[0].min_nodes = Some(1)).await, "search_space.cells[0].min_nodes");
    let free = |max_edges| Some(pb::Wiring { kind: Some(Kind::Free(pb::FreeWiring { max_edges })) });
    assert_eq!(wrong(&|space| space.wiring = free(0)).await, "search_space.wiring.free.max_edges");
    let too_many = |space: &mut pb::SearchSpace| space.operations = vec![pb::Operation::default(); 100_000];
    assert!(wrong(&too_many).await.starts_with("search_space.operations"));
    assert_eq!(get(&app, "mine").await.expect_err("not made").code(), Code::NotFound);
    let missing = app.search_spaces().create_search_space(pb::CreateSearchSpaceRequest::default()).await;
    assert!(field(&missing.expect_err("no space")).starts_with("search_space."));
}

#[tokio::test]
async fn a_created_space_is_described_and_sampled_like_a_built_in_one() {
    let app = TestApp::spawn().await;
    create(&app, definition("mine"), "").await.expect("a new space");
    let drawn = sample(&app, "mine", 50, 1).await.expect("a sample");
    assert_eq!(drawn.len(), 50);
    assert_eq!(sample(&app, "mine", 50, 1).await.expect("a sample"), drawn);
    let text = r#"{"cells":[{"n_nodes":5,"edges":[[0,1,"conv"],[1,4,"pool"]]}]}"#;
    let described = describe_in(&app, "mine", Architecture::from_text(text)).await.expect("a description");
    assert_eq!((described.text.as_str(), described.parameters), (text, None));
    assert!(described.canonical_id.starts_with("mine."), "{}", described.canonical_id);
    let graph = described.graph.clone().expect("a graph");
    let notation = Some(pb::architecture::Notation::Graph(graph));
    let from_graph = describe_in(&app, "mine", Architecture { notation, saliencies: None }).await;
    assert_eq!(from_graph.expect("a description"), described);
    let request = pb::DescribeArchitectureRequest {
        search_space: "mine".into(),
        architecture: Some(Architecture::from_text(text)),
        svg: true,
    };
    let drawn = app.search_spaces().describe_architecture(request).await.expect("a description").into_inner();
    assert!(
        drawn.svg.as_ref().is_some_and(|svg| svg.starts_with("<svg") && svg.contains("pool")),
        "{drawn:?}"
    );
    let unknown = text.replace("pool", "lstm");
    let status = describe_in(&app, "mine", Architecture::from_text(unknown)).await.expect_err("no operation");
    assert_eq!(field(&status), "architecture.text");
}

#[tokio::test]
async fn sampling_a_space_without_any_architecture_ends() {
    let app = TestApp::spawn().await;
    let nothing = pb::Operation { name: "none".into(), role: pb::Role::None.into() };
    let empty = pb::SearchSpace {
        operations: vec![nothing],
        wiring: Some(pb::Wiring { kind: Some(Kind::Complete(pb::CompleteWiring {})) }),
        dead_nodes: pb::DeadNodes::Pruned.into(),
        ..definition("empty")
    };
    create(&app, empty, "").await.expect("a new space");
    assert_eq!(sample(&app, "empty", 3, 1).await.expect("an answer"), []);
}

#[tokio::test]
async fn a_task_of_a_created_space_takes_observations_and_outlives_a_restart() {
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let app = TestApp::spawn_in(data_dir.path(), &[]).await;
    let task = pb::Task { search_space: "mine".into(), ..tasks::task("of-mine") };
    let status = tasks::create(&app, task.clone(), "").await.expect_err("no such space yet");
    assert_eq!(field(&status), "task.search_space");
    let known = "\"mine\" is not known, only darts, enas, nasbench101, nasbench201";
    assert!(status.message().contains(known), "{}", status.message());

    create(&app, definition("mine"), "").await.expect("a new space");
    let created = tasks::create(&app, task, "").await.expect("a new task");
    assert_eq!(created.search_space, "mine");
    let observation = |architecture: &Architecture| pb::Observation {
        task: "of-mine".into(),
        architecture: Some(architecture.clone()),
        budget: Some(200),
        outcome: Some(pb::observation::Outcome::Value(90.0)),
        ..pb::Observation::default()
    };
    let sent: Vec<_> = sample(&app, "mine", 20, 1).await.expect("a sample").iter().map(observation).collect();
    let outcomes = record(&app, sent.clone()).await.expect("an answer");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::NewSequence(_))), "{outcomes:?}");
    let other = record(&app, vec![observation(&Architecture::from_text(TEXT))]).await.expect("an answer");
    assert!(matches!(&other[0], Outcome::Error(error) if error.message.contains("text")), "{other:?}");
    let request = pb::PredictRequest {
        task: "of-mine".into(),
        architectures: vec![sent[0].architecture.clone().expect("always set")],
        ..Default::default()
    };
    let status = app.predictor().predict(request).await.expect_err("no model yet");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    app.stop().await.expect("a clean stop");

    let app = TestApp::spawn_in(data_dir.path(), &[]).await;
    assert_eq!(tasks::get(&app, "of-mine").await.expect("the task").last_sequence, 20);
    assert!(!create(&app, definition("mine"), "").await.expect("the same space").is_new);
    let again = record(&app, sent).await.expect("an answer");
    assert!(again.iter().all(|outcome| matches!(outcome, Outcome::SameSequence(_))), "{again:?}");
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
    let sample = async |count, seed| sample(&app, "nasbench201", count, seed).await;
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
