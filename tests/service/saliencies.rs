//! Saliencies that clients do not send: measured for tasks that opted in, and only for these.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tagates::fit::FitConfig;
use tagates::model::{Encoder, ModelConfig, SaliencyScale, SymmetryBreaking, TaGatesConfig};
use tagates::pb::task_service_client::TaskServiceClient;
use tagates::pb::{self, Architecture, RunState, Saliencies};
use tagates::space;
use tagates::zero_cost::{Measurer, Proxy};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::{task, time};
use tonic::{Code, Status};
use tonic_types::{RpcStatusExt, StatusExt};

use crate::app::{TestApp, sample, sample_texts, score};
use crate::checkpoints;
use crate::command_line::{error, lines, tagates, text};
use crate::database::Database;
use crate::every_space::{observation, over, promote, trained};
use crate::observations::record;
use crate::tasks::{self, field};

const TASK: &str = "nasbench201-cifar10";
const PATIENCE: Duration = Duration::from_mins(1);

/// Two metrics of networks so small that they take milliseconds.
const TINY: &str = r#"
metrics = ["grad_norm", "synflow"]
n_images = 2
image_side = 4
n_classes = 2
nasbench101 = { channels = 6, cells_per_stage = 1 }
nasbench201 = { channels = 6, cells_per_stage = 1 }
darts = { channels = 6, cells_per_stage = 1 }
enas = { channels = 6, cells_per_stage = 1 }
"#;

/// A folder with the proxy setting `tiny.toml`, and a database.
struct Workplace {
    folder: TempDir,
    database: Database,
}

impl Workplace {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("tiny.toml"), TINY).expect("a writable folder");
        Self { folder, database: Database::sqlite() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data_dir(&self) -> PathBuf {
        self.database.config().data_dir.expect("an SQLite file")
    }

    /// A server that knows the proxy `tiny`.
    async fn serve(&self, flags: &[&str]) -> TestApp {
        let proxy = format!("tiny={}", self.path("tiny.toml").display());
        TestApp::spawn_in(&self.data_dir(), &[&["--saliency-proxy", &proxy], flags].concat()).await
    }

    /// The same with a model that needs two metrics for the built-in task.
    async fn serve_in_need(&self, flags: &[&str]) -> TestApp {
        let checkpoint = checkpoints::needing_saliencies();
        self.serve(&[&["--checkpoint", text(checkpoint.path())], flags].concat()).await
    }

    async fn n_stored(&self) -> i64 {
        self.database.number("SELECT count(*) FROM saliencies").await
    }
}

fn measurer(seed: u64) -> Measurer {
    Measurer::new("tiny", Proxy::parse(TINY).expect("a setting"), seed).expect("noise")
}

/// An architecture with the saliencies that a client measured as the server would.
fn measured(architecture: &Architecture, seed: u64) -> Architecture {
    let Some(pb::architecture::Notation::Text(text)) = &architecture.notation else { panic!("a text") };
    let parsed = space::nasbench201().parse(text).expect("a cell");
    let operations = measurer(seed).measure(&parsed).expect("a known network").operations;
    let values = operations.rows().flatten().copied().collect();
    Architecture { saliencies: Some(Saliencies { n_metrics: 2, values }), ..architecture.clone() }
}

async fn update(app: &TestApp, task: &str, proxy: Option<(&str, u32)>) -> Result<pb::Task, Status> {
    let saliency_proxy = proxy.map(|(name, seed)| pb::SaliencyProxy { name: name.into(), seed });
    let task = pb::Task { name: task.into(), saliency_proxy, ..pb::Task::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["saliency_proxy".to_owned()] });
    let request = pb::UpdateTaskRequest { task: Some(task), update_mask };
    let reply = TaskServiceClient::new(app.channel.clone()).update_task(request).await?;
    Ok(reply.into_inner().task.expect("always set"))
}

/// Predicts until the first answer is as expected: the server learns of a setting soon, but not at once.
async fn until(
    app: &TestApp,
    task: &str,
    architectures: &[Architecture],
    is_expected: impl Fn(&Result<f64, tonic_types::pb::Status>) -> bool,
) -> pb::PredictResponse {
    let asking = async {
        loop {
            let request = pb::PredictRequest {
                task: task.into(),
                architectures: architectures.to_vec(),
                ..Default::default()
            };
            if let Ok(reply) = app.predictor().predict(request).await.map(tonic::Response::into_inner)
                && is_expected(&score(reply.results[0].clone()))
            {
                return reply;
            }
            task::yield_now().await;
        }
    };
    time::timeout(PATIENCE, asking).await.expect("the server learns of it")
}

fn saliency_ms(reply: &pb::PredictResponse) -> f64 {
    reply.timings.expect("always set").saliency_ms
}

fn scores(reply: pb::PredictResponse) -> Vec<f64> {
    reply.results.into_iter().map(|result| score(result).expect("a prediction")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_has_not_opted_in_is_told_what_to_send_or_switch_on() {
    let place = Workplace::new();
    let app = place.serve_in_need(&[]).await;
    let good = measured(&sample(1)[0], 0);
    let reply = app.predict(vec![good.clone(), sample(1).remove(0), good]).await.expect("an answer");
    let [first, refused, last] = <[_; 3]>::try_from(reply.results).expect("three results").map(score);
    assert_eq!(first.expect("a prediction").to_bits(), last.expect("a prediction").to_bits());
    let refused = refused.expect_err("nothing was sent");
    assert_eq!(refused.code, i32::from(Code::FailedPrecondition));
    for part in ["architectures[1].saliencies", "2 for each operation", "send them", "--saliency-proxy small"]
    {
        assert!(refused.message.contains(part), "{:?} lacks {part:?}", refused.message);
    }
    let failure =
        refused.get_details_precondition_failure().expect("which precondition").violations.remove(0);
    assert_eq!(
        (failure.r#type.as_str(), failure.subject),
        ("SALIENCIES_SENT_OR_MEASURED", format!("tasks/{TASK}"))
    );
    let violation = refused.get_details_bad_request().expect("which field").field_violations.remove(0);
    assert_eq!(violation.field, "architectures[1].saliencies");
    assert_eq!(place.n_stored().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_opted_in_has_them_measured_once_and_kept_over_a_restart() {
    let place = Workplace::new();
    let app = place.serve_in_need(&[]).await;
    let cells = sample(6);
    let expected: Vec<_> = cells.iter().map(|cell| measured(cell, 3)).collect();
    let expected = app.scores(&expected).await;
    let updated = update(&app, TASK, Some(("tiny", 3))).await.expect("a proxy of the server");
    assert_eq!(updated.saliency_proxy, Some(pb::SaliencyProxy { name: "tiny".into(), seed: 3 }));

    let first = until(&app, TASK, &cells, Result::is_ok).await;
    assert!(saliency_ms(&first) > 0.0, "they were measured");
    assert_eq!(scores(first), expected, "as a client measures them");
    let again = app.predict([&cells[3..], &cells[..3]].concat()).await.expect("an answer");
    assert!(saliency_ms(&again).abs() < f64::EPSILON, "nothing was measured");
    assert_eq!(scores(again), [&expected[3..], &expected[..3]].concat());
    app.stop().await.expect("a clean stop");
    assert_eq!(place.n_stored().await, 6);

    let app = place.serve_in_need(&[]).await;
    let reply = until(&app, TASK, &cells, Result::is_ok).await;
    assert!(saliency_ms(&reply).abs() < f64::EPSILON, "nothing was measured");
    assert_eq!(scores(reply), expected);

    update(&app, TASK, None).await.expect("switched off");
    until(&app, TASK, &cells, Result::is_err).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_is_used_and_nothing_measured() {
    let place = Workplace::new();
    let app = place.serve_in_need(&[]).await;
    let sent = |value: f64| Architecture {
        saliencies: Some(Saliencies { n_metrics: 2, values: vec![value; 12] }),
        ..sample(1).remove(0)
    };
    let before = app.scores(&[sent(0.0), sent(1.0)]).await;
    update(&app, TASK, Some(("tiny", 0))).await.expect("a proxy of the server");
    until(&app, TASK, &sample(2)[1..], Result::is_ok).await;
    let reply = app.predict(vec![sent(0.0), sent(1.0)]).await.expect("an answer");
    assert!(saliency_ms(&reply).abs() < f64::EPSILON);
    assert_eq!(scores(reply), before);
    app.stop().await.expect("a clean stop");
    assert_eq!(place.n_stored().await, 1, "only the other cell's");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_share_what_is_measured_and_a_full_queue_tells_when_to_retry() {
    let place = Workplace::new();
    let app = place.serve_in_need(&["--saliency-queue-capacity", "4"]).await;
    update(&app, TASK, Some(("tiny", 0))).await.expect("a proxy of the server");
    let cells = sample(400);
    until(&app, TASK, &cells[..1], Result::is_ok).await;
    let mut asking = JoinSet::new();
    // Eight that want the same, and ten that want others each.
    for call in 0..18 {
        let first = if call < 8 { 1 } else { 31 + 30 * (call - 8) };
        let (mut predictor, architectures) = (app.predictor(), cells[first..first + 30].to_vec());
        asking.spawn(async move {
            let request = pb::PredictRequest { architectures, ..Default::default() };
            (first, predictor.predict(request).await)
        });
    }
    let (mut shared, mut n_answered, mut n_refused) = (Vec::new(), 0, 0);
    for (first, reply) in asking.join_all().await {
        match reply {
            Ok(reply) => {
                n_answered += 1;
                let scores = scores(reply.into_inner());
                if first == 1 {
                    shared.push(scores);
                }
            }
            Err(status) => {
                n_refused += 1;
                assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
                let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
                assert!(delay.is_some_and(|delay| delay < PATIENCE), "{delay:?}");
            }
        }
    }
    assert!(n_answered > 0 && n_refused > 0, "{n_answered} answered, {n_refused} refused");
    assert!(shared.windows(2).all(|pair| pair[0] == pair[1]));
    // And answers again afterwards.
    assert_eq!(scores(app.predict(cells[1..2].to_vec()).await.expect("an answer")).len(), 1);
    app.stop().await.expect("a clean stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_nothing_can_be_measured_by_is_refused_and_one_of_other_metrics_explained() {
    let place = Workplace::new();
    let app = place.serve_in_need(&[]).await;
    let unknown = update(&app, TASK, Some(("huge", 0))).await.expect_err("no such proxy");
    assert_eq!(field(&unknown), "task.saliency_proxy");
    assert!(unknown.message().contains("only full, small, tiny"), "{unknown:?}");
    let task = pb::Task {
        saliency_proxy: Some(pb::SaliencyProxy { name: "huge".into(), seed: 0 }),
        ..tasks::task("mine")
    };
    assert_eq!(
        field(&tasks::create(&app, task, "").await.expect_err("no such proxy")),
        "task.saliency_proxy"
    );
    assert_eq!(
        update(&app, "nobody", Some(("tiny", 0))).await.expect_err("no such task").code(),
        Code::NotFound
    );

    update(&app, TASK, Some(("small", 0))).await.expect("a built-in proxy");
    let is_explained = |outcome: &Result<f64, tonic_types::pb::Status>| {
        outcome.as_ref().is_err_and(|error| error.message.contains("proxy small measures 7"))
    };
    let reply = until(&app, TASK, &sample(1), is_explained).await;
    let refused = score(reply.results[0].clone()).expect_err("seven are not two");
    assert_eq!(refused.code, i32::from(Code::FailedPrecondition));
}

/// Predictors that need two metrics, trained in no time.
fn needing() -> FitConfig {
    let config = FitConfig::named("nasbench201").expect("a built-in configuration");
    let encoder = TaGatesConfig {
        n_steps: 2,
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 8,
        forward_dims: vec![8; 3],
        backward_dims: vec![8; 3],
        conversion_dims: vec![8],
        update_dims: vec![8],
        symmetry_breaking: SymmetryBreaking::Add { n_metrics: 2, beta: 1.0 },
        saliency_scale: SaliencyScale::Standardised,
        ..TaGatesConfig::default()
    };
    let model =
        ModelConfig { encoder: Encoder::TaGates(encoder), head_dims: vec![8], ..config.model.clone() };
    FitConfig { model, n_epochs: 3, averaged_epochs: 0, batch_size: 32, ..config }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_opted_in_is_trained_with_them_and_goes_on_to_be_served_with_the_same() {
    let place = Workplace::new();
    let config = place.path("needing.toml");
    fs::write(&config, toml::to_string(&needing()).expect("TOML")).expect("a writable folder");
    let of_space = format!("nasbench201={}", config.display());
    let app = place.serve(&["--training", "on", "--training-config", &of_space]).await;
    let policy = pb::RetrainingPolicy { is_enabled: Some(false), ..Default::default() };
    let task = pb::Task { retraining_policy: Some(policy), budgets: vec![200], ..tasks::task("mine") };
    tasks::create(&app, task, "").await.expect("a new task");
    let cells = sample(60);
    let worth = |cell: &Architecture| format!("{cell:?}").matches("3x3").count() as f64;
    let observed = cells.iter().map(|cell| observation("mine", cell, 200, 20.0 + 5.0 * worth(cell)));
    record(&app, observed.collect()).await.expect("all of it is taken");

    let failed = over(&app, "mine").await;
    assert_eq!(failed.state(), RunState::Failed);
    assert!(failed.errors[0].message.contains("--saliency-proxy"), "{failed:?}");

    update(&app, "mine", Some(("tiny", 5))).await.expect("a proxy of the server");
    let run = trained(&app, "mine").await;
    assert_eq!(place.n_stored().await, 60, "those of the holdout, too");
    promote(&app, "mine", run.model_version()).await;
    let reply = until(&app, "mine", &cells, Result::is_ok).await;
    assert!(saliency_ms(&reply).abs() < f64::EPSILON, "all were measured for the training");
    let before = scores(reply);

    // Another choice is for the next training: this version needs what it was trained on.
    update(&app, "mine", Some(("tiny", 6))).await.expect("a proxy of the server");
    let fresh = sample(62).split_off(60);
    let reply = until(&app, "mine", &[&cells[..], &fresh].concat(), Result::is_ok).await;
    let sent: Vec<_> = fresh.iter().map(|cell| measured(cell, 5)).collect();
    let after = scores(reply);
    assert_eq!(after[..60], before);
    let request = pb::PredictRequest { task: "mine".into(), architectures: sent, ..Default::default() };
    assert_eq!(after[60..], scores(app.predictor().predict(request).await.expect("an answer").into_inner()));

    let second = trained(&app, "mine").await;
    assert_ne!(second.model_version(), run.model_version());
    // The run measured its 60 by the new seed; whether the two cells above are stored by the old one yet is open.
    let of_seed = "SELECT count(*) FROM saliencies WHERE seed = 6";
    assert_eq!(place.database.number(of_seed).await, 60);
}

fn zero_cost(place: &Workplace, table: &Path, more: &[&str]) -> Output {
    let (proxy, data_dir) = (place.path("tiny.toml"), place.data_dir());
    let common = ["zero-cost", "--data", text(table), "--proxy", text(&proxy), "--seed", "3", "--jobs", "2"];
    let cache = ["--cache", "--data-dir", text(&data_dir)];
    tagates(&[&common[..], &cache, more].concat(), "")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_fills_the_cache_of_a_server_and_goes_on_where_it_was() {
    let place = Workplace::new();
    let table = place.path("table.csv");
    let texts = sample_texts(8);
    let mut rows = "arch\n".to_owned();
    for cell in &texts {
        writeln!(rows, "{cell}").expect("a String grows");
    }
    fs::write(&table, rows).expect("a writable folder");
    let out = place.path("measured.jsonl");

    let place = tokio::task::spawn_blocking(move || {
        let output = zero_cost(&place, &table, &["--first", "3"]);
        assert!(output.status.success(), "{output:?}");
        let output = zero_cost(&place, &table, &["--out", text(&out)]);
        assert!(output.status.success(), "{output:?}");
        let measured = lines(&fs::read(&out).expect("a file"));
        assert_eq!(measured.len(), 8, "the file lacked them all");
        // Nothing is missing in either.
        let output = zero_cost(&place, &table, &["--out", text(&out)]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(lines(&fs::read(&out).expect("a file")), measured);
        let line: Value = serde_json::from_str(&measured[0]).expect("JSON");
        assert_eq!(line["proxy_digest"], measurer(3).origin().digest.as_str());
        fs::write(place.path("tiny.toml"), TINY.replace("n_images = 2", "n_images = 3")).expect("writable");
        let message = error(&zero_cost(&place, &table, &["--out", text(&out)]));
        assert!(message.contains("other settings of proxy"), "{message}");
        fs::write(place.path("tiny.toml"), TINY).expect("writable");
        place
    })
    .await
    .expect("no panic");
    assert_eq!(place.n_stored().await, 8);

    let app = place.serve_in_need(&[]).await;
    update(&app, TASK, Some(("tiny", 3))).await.expect("a proxy of the server");
    let reply = until(&app, TASK, &sample(8), Result::is_ok).await;
    assert!(saliency_ms(&reply).abs() < f64::EPSILON, "all were measured before");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_opts_in_and_out() {
    let place = Workplace::new();
    let app = place.serve(&[]).await;
    let server = app.addr.to_string();
    tokio::task::spawn_blocking(move || {
        let updated = |proxy: &[&str]| {
            let arguments =
                [&["tasks", "update", TASK, "--server", &server, "--saliency-proxy"], proxy].concat();
            let output = tagates(&arguments, "");
            assert!(output.status.success(), "{output:?}");
            serde_json::from_str::<Value>(&lines(&output.stdout)[0]).expect("JSON")
        };
        let task = updated(&["tiny", "--saliency-seed", "7"]);
        assert_eq!(task["saliency_proxy"], serde_json::json!({"name": "tiny", "seed": 7}));
        let task = updated(&["small"]);
        assert_eq!(task["saliency_proxy"], serde_json::json!({"name": "small", "seed": 7}), "the seed stays");
        assert_eq!(updated(&["none"]).get("saliency_proxy"), None);
    })
    .await
    .expect("no panic");
}
