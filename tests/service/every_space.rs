//! Every search space is observed, trained and served over gRPC, those built in and one that nobody here knew; and so is
//! every encoder.

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use tagates::fit::{FitConfig, Loss, Pairs};
use tagates::metrics::kendall_tau;
use tagates::model::{
    Encoder, Features, GcnConfig, Heads, LstmConfig, ModelConfig, OtherNode, TaGatesConfig, UpdateInput,
    UpdateMask,
};
use tagates::pb::model_service_client::ModelServiceClient;
use tagates::pb::training_service_client::TrainingServiceClient;
use tagates::pb::{self, Architecture, RunState};
use tonic::{Code, Status};

use crate::app::TestApp;
use crate::observations::record;
use crate::{search_spaces, tasks};

const SPACE: &str = "mixers";
const TASK: &str = "mixers-toy";
const BUDGET: u32 = 30;
const N_OBSERVED: u32 = 2_000;
const N_FRESH: usize = 400;

/// Six nodes, operations of our own on the four inner ones, up to nine edges.
fn definition() -> pb::SearchSpace {
    let operation = |name: &str, role: pb::Role| pb::Operation { name: name.into(), role: role.into() };
    pb::SearchSpace {
        name: SPACE.into(),
        description: "Token mixers between the layers of a language model".into(),
        placement: pb::Placement::Node.into(),
        operations: vec![
            operation("attention", pb::Role::Parametrised),
            operation("long-convolution", pb::Role::Parametrised),
            operation("gate", pb::Role::Parametrised),
            operation("shift", pb::Role::Free),
            operation("identity", pb::Role::Skip),
        ],
        cells: vec![pb::CellShape { name: "block".into(), n_nodes: 6, n_inputs: 1, ..Default::default() }],
        wiring: Some(pb::Wiring { kind: Some(pb::wiring::Kind::Free(pb::FreeWiring { max_edges: 9 })) }),
        dead_nodes: pb::DeadNodes::Pruned.into(),
        read_out: pb::ReadOut::MeanOfNodes.into(),
        ..Default::default()
    }
}

/// A made-up accuracy in percent: every operation is worth something, more where it is read more often, and an
/// attention that reads a convolution is worth more still.
fn accuracy(architecture: &Architecture) -> f64 {
    let text = match &architecture.notation {
        Some(pb::architecture::Notation::Text(text)) => text,
        other => panic!("samples are texts, not {other:?}"),
    };
    let graph: Value = serde_json::from_str(text).expect("the explicit graph, as JSON");
    let cell = &graph["cells"][0];
    let name = |node: u64| cell["operations"][node.wrapping_sub(1) as usize].as_str();
    let edges: Vec<(u64, u64)> = serde_json::from_value(cell["edges"].clone()).expect("pairs of nodes");
    let worth = |node: u64| match name(node) {
        Some("attention") => 3.0,
        Some("long-convolution") => 2.2,
        Some("gate") => 1.2,
        Some("shift") => 0.5,
        _ => 0.0,
    };
    let nodes: f64 = (1..5).map(worth).sum();
    let reads: f64 = edges.iter().map(|(source, _)| 0.4 * worth(*source)).sum();
    let is_fed = |(source, target): &&(u64, u64)| {
        (name(*source), name(*target)) == (Some("long-convolution"), Some("attention"))
    };
    55.0 + nodes + reads + 2.0 * edges.iter().filter(is_fed).count() as f64
}

/// Small and short, so that a test has the time.
fn quick() -> FitConfig {
    let config = FitConfig::named("nasbench101").expect("a built-in configuration");
    let encoder = TaGatesConfig {
        n_steps: 2,
        operation_dim: 16,
        node_dim: 16,
        hidden_dim: 24,
        forward_dims: vec![32; 5],
        backward_dims: vec![32; 5],
        conversion_dims: vec![32, 32],
        update_dims: vec![32],
        update_input: UpdateInput::Nodes,
        update_mask: UpdateMask::All,
        other_node: OtherNode::Trained,
        ..TaGatesConfig::default()
    };
    // Of a space of one's own, nobody can count parameters.
    let features = Features::default();
    let model = ModelConfig {
        encoder: Encoder::TaGates(encoder),
        head_dims: vec![48],
        features,
        ..config.model.clone()
    };
    let loss = Loss::PairwiseHinge { margin: 0.1, pairs: Pairs::All };
    FitConfig { model, loss, n_epochs: 60, averaged_epochs: 0, batch_size: 128, ..config }
}

pub fn observation(task: &str, architecture: &Architecture, budget: u32, accuracy: f64) -> pb::Observation {
    pb::Observation {
        task: task.into(),
        architecture: Some(architecture.clone()),
        budget: Some(budget),
        outcome: Some(pb::observation::Outcome::Value(accuracy)),
        ..pb::Observation::default()
    }
}

/// A task that is trained when it is told to.
async fn create_task(app: &TestApp, name: &str, space: &str, budgets: &[u32]) {
    let task = pb::Task {
        search_space: space.into(),
        budgets: budgets.to_vec(),
        retraining_policy: Some(pb::RetrainingPolicy { is_enabled: Some(false), ..Default::default() }),
        ..tasks::task(name)
    };
    tasks::create(app, task, "").await.expect("a new task");
}

/// A server that trains the predictors of these spaces with one configuration.
async fn spawn(config: &FitConfig, spaces: &[&str]) -> TestApp {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(toml::to_string(config).expect("TOML").as_bytes()).expect("room on the disk");
    let of_spaces: Vec<_> = spaces.iter().map(|space| format!("{space}={}", file.path().display())).collect();
    let of_spaces = of_spaces.iter().flat_map(|it| ["--training-config", it.as_str()]);
    let flags: Vec<_> = ["--training", "on"].into_iter().chain(of_spaces).collect();
    TestApp::spawn_with(&flags).await
}

/// Starts a run that succeeds, and follows it to its end.
pub async fn trained(app: &TestApp, task: &str) -> pb::TrainingRun {
    let run = over(app, task).await;
    assert_eq!(run.state(), RunState::Succeeded, "{run:?}");
    run
}

/// Starts a run and follows it to its end.
pub async fn over(app: &TestApp, task: &str) -> pb::TrainingRun {
    let mut service = TrainingServiceClient::new(app.channel.clone());
    let request = pb::StartTrainingRunRequest { task: task.into(), request_id: String::new() };
    let run = service.start_training_run(request).await.expect("a run").into_inner().run.expect("always set");
    let request = pb::WatchTrainingRunRequest { run: run.run };
    let mut updates = service.watch_training_run(request).await.expect("a stream").into_inner();
    let mut last = run;
    while let Some(update) = updates.message().await.expect("an update") {
        last = update.run.expect("always set");
    }
    last
}

/// Makes a version champion, where the gate has not done so.
pub async fn promote(app: &TestApp, task: &str, version: &str) {
    let mut service = ModelServiceClient::new(app.channel.clone());
    let request = pb::GetModelVersionRequest { task: task.into(), version: version.into() };
    let found = service.get_model_version(request).await.expect("the version").into_inner();
    if !found.version.expect("always set").is_champion {
        let request = pb::PromoteModelVersionRequest {
            task: task.into(),
            version: version.into(),
            who: "a test".into(),
            why: "it is there".into(),
            expected_champion: Some(String::new()),
        };
        service.promote_model_version(request).await.expect("a champion");
    }
}

/// Asks until the server has taken up the champion.
async fn answered<T, F: Future<Output = Result<tonic::Response<T>, Status>>>(ask: impl Fn() -> F) -> T {
    let answer = async {
        loop {
            match ask().await {
                Ok(reply) => break reply.into_inner(),
                Err(status) => assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), answer).await.expect("a champion in time")
}

async fn scores(app: &TestApp, task: &str, architectures: &[Architecture]) -> Vec<f64> {
    let ask = || async {
        let (task, architectures) = (task.to_owned(), architectures.to_vec());
        app.predictor().predict(pb::PredictRequest { task, architectures, ..Default::default() }).await
    };
    let results = answered(ask).await.results;
    results.into_iter().map(|result| crate::app::score(result).expect("a prediction")).collect()
}

#[tokio::test]
async fn a_space_of_ones_own_is_trained_and_served_without_code() {
    let app = spawn(&quick(), &[SPACE]).await;
    search_spaces::create(&app, definition(), "").await.expect("a new space");
    create_task(&app, TASK, SPACE, &[BUDGET]).await;
    let sample = search_spaces::sample(&app, SPACE, N_OBSERVED + N_FRESH as u32, 11).await.expect("a sample");
    let (observed, fresh) = sample.split_at(N_OBSERVED as usize);
    let observations: Vec<_> =
        observed.iter().map(|it| observation(TASK, it, BUDGET, accuracy(it))).collect();
    for batch in observations.chunks(500) {
        record(&app, batch.to_vec()).await.expect("all of it is taken");
    }

    let run = trained(&app, TASK).await;
    let request = pb::GetModelVersionRequest { task: TASK.into(), version: run.model_version().into() };
    let version = ModelServiceClient::new(app.channel.clone()).get_model_version(request).await;
    let version = version.expect("the version").into_inner().version.expect("always set");
    assert!(version.is_champion, "{:?}", version.decision);
    let report = pb::json::decode(version.report.expect("a report"));
    let tau = report["targets"][0]["holdout"]["kendall_tau"].as_f64().expect("a holdout");
    assert!(tau > 0.8, "tau on the holdout is {tau}");

    let accuracies: Vec<f64> = fresh.iter().map(accuracy).collect();
    let tau = kendall_tau(&scores(&app, TASK, fresh).await, &accuracies).expect("an order");
    assert!(tau > 0.8, "tau on architectures it never saw is {tau}");
}

#[tokio::test]
async fn every_built_in_space_is_trained_and_served_at_each_budget() {
    let spaces = ["darts", "enas", "nasbench101", "nasbench201"];
    let app = spawn(&FitConfig { n_epochs: 20, ..quick() }, &spaces).await;
    for space in spaces {
        is_trained_and_served(&app, space).await;
    }
}

#[tokio::test]
async fn so_are_two_networks_of_another_encoder_than_ta_gates() {
    let (lstm, gcn) = (
        LstmConfig { embedding_dim: 8, hidden_dim: 16 },
        GcnConfig { operation_dim: 8, hidden_dim: 8, dims: vec![16; 3] },
    );
    for (space, encoder) in [("darts", Encoder::Lstm(lstm)), ("nasbench101", Encoder::Gcn(gcn))] {
        let config = quick();
        let model = ModelConfig { encoder, heads: Heads::LastStep, ..config.model.clone() };
        let app = spawn(&FitConfig { model, n_epochs: 20, n_members: 2, ..config }, &[space]).await;
        is_trained_and_served(&app, space).await;
    }
}

/// A task of two budgets learns from a sample, and answers for both.
async fn is_trained_and_served(app: &TestApp, space: &str) {
    create_task(app, space, space, &[10, 50]).await;
    let sample = search_spaces::sample(app, space, 160, 3).await.expect("a sample");
    let text = |it: &Architecture| match &it.notation {
        Some(pb::architecture::Notation::Text(text)) => text.clone(),
        other => panic!("samples are texts, not {other:?}"),
    };
    let worth = |it: &Architecture| text(it).matches("conv").count() as f64;
    let observed = |it| [10, 50].map(|budget| observation(space, it, budget, 20.0 + worth(it)));
    record(app, sample.iter().flat_map(observed).collect()).await.expect("all of it is taken");

    let run = trained(app, space).await;
    promote(app, space, run.model_version()).await;

    let some = &sample[..5];
    let final_scores = scores(app, space, some).await;
    assert!(final_scores.iter().all(|score| score.is_finite()), "{space}: {final_scores:?}");
    let request =
        pb::PredictAnytimeRequest { task: space.into(), architectures: some.to_vec(), ..Default::default() };
    let reply = app.predictor().predict_anytime(request).await.expect("an answer").into_inner();
    assert_eq!(reply.results.len(), some.len());
    for (result, final_score) in reply.results.into_iter().zip(final_scores) {
        let Some(pb::predict_anytime_result::Outcome::Prediction(anytime)) = result.outcome else {
            panic!("{space}: no scores")
        };
        let budgets: Vec<u32> = anytime.steps.iter().filter_map(|it| it.budget).collect();
        assert_eq!(budgets, [10, 50], "{space}");
        assert_eq!(anytime.steps[1].score.to_bits(), final_score.to_bits(), "{space}: bit for bit");
    }
}
