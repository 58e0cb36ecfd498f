//! What `ModelService` answers, and `tagates models` prints.

use std::iter;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tagates::app::shipped;
use tagates::pb::import_checkpoint_request::Part;
use tagates::pb::model_service_client::ModelServiceClient;
use tagates::pb::{self, ImportCheckpointRequest, ModelVersion, Origin, Promotion};
use tokio::sync::mpsc;
use tokio::time;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_types::{PreconditionViolation, StatusExt};

use crate::app::{TestApp, sample};
use crate::checkpoints;
use crate::command_line::{error, lines, tagates, text};
use crate::tasks::{self, field};

const TASK: &str = "nasbench201-cifar10";

fn service(app: &TestApp) -> ModelServiceClient<Channel> {
    ModelServiceClient::new(app.channel.clone())
}

/// A version, the champion where it is empty.
async fn get(app: &TestApp, version: &str) -> Result<ModelVersion, Status> {
    let request = pb::GetModelVersionRequest { task: TASK.into(), version: version.into() };
    let reply = service(app).get_model_version(request).await?.into_inner();
    Ok(reply.version.expect("always set"))
}

async fn champion(app: &TestApp) -> String {
    get(app, "").await.expect("a champion").version
}

/// The versions on all pages of a list.
async fn list(app: &TestApp) -> Vec<ModelVersion> {
    let (mut versions, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListModelVersionsRequest { task: TASK.into(), page_size: 1, page_token };
        let page = service(app).list_model_versions(request).await.expect("a page").into_inner();
        assert!(page.versions.len() <= 1);
        versions.extend(page.versions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return versions;
        }
    }
}

async fn promote(app: &TestApp, version: &str, expected: Option<&str>) -> Result<Option<Promotion>, Status> {
    let request = pb::PromoteModelVersionRequest {
        task: TASK.into(),
        version: version.into(),
        expected_champion: expected.map(str::to_owned),
        who: "ada".into(),
        why: "it looks better".into(),
    };
    Ok(service(app).promote_model_version(request).await?.into_inner().promotion)
}

async fn roll_back(app: &TestApp, expected: &str) -> Result<Promotion, Status> {
    let request = pb::RollbackModelVersionRequest {
        task: TASK.into(),
        expected_champion: expected.into(),
        who: "ada".into(),
        why: "it was not".into(),
    };
    let reply = service(app).rollback_model_version(request).await?.into_inner();
    Ok(reply.promotion.expect("always set"))
}

/// The changes on all pages of a list, as from, to and who.
async fn history(app: &TestApp) -> Vec<Promotion> {
    let (mut promotions, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListPromotionsRequest { task: TASK.into(), page_size: 1, page_token };
        let page = service(app).list_promotions(request).await.expect("a page").into_inner();
        promotions.extend(page.promotions);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return promotions;
        }
    }
}

async fn send(
    app: &TestApp,
    parts: impl Iterator<Item = Part> + Send + 'static,
) -> Result<pb::ImportCheckpointResponse, Status> {
    let messages = tokio_stream::iter(parts.map(|part| ImportCheckpointRequest { part: Some(part) }));
    service(app).import_checkpoint(messages).await.map(Response::into_inner)
}

async fn import(app: &TestApp, path: &Path) -> Result<(ModelVersion, bool), Status> {
    let checkpoint = std::fs::read(path).expect("a file");
    let messages = ImportCheckpointRequest::parts(TASK.into(), checkpoint);
    let reply = service(app).import_checkpoint(tokio_stream::iter(messages)).await?.into_inner();
    Ok((reply.version.expect("always set"), reply.is_new))
}

async fn export(app: &TestApp, version: &str) -> Result<(pb::ExportCheckpointMetadata, Vec<u8>), Status> {
    use pb::export_checkpoint_response::Part;
    let request = pb::ExportCheckpointRequest { task: TASK.into(), version: version.into() };
    let mut stream = service(app).export_checkpoint(request).await?.into_inner();
    let Some(Part::Metadata(metadata)) = stream.message().await?.and_then(|message| message.part) else {
        panic!("metadata comes first")
    };
    let mut checkpoint = Vec::new();
    while let Some(message) = stream.message().await? {
        let Some(Part::Chunk(chunk)) = message.part else { panic!("chunks follow") };
        checkpoint.extend(chunk);
    }
    Ok((metadata, checkpoint))
}

fn violation(status: &Status) -> PreconditionViolation {
    status.get_details_precondition_failure().expect("which precondition").violations.remove(0)
}

/// Asks until predictions are of this version.
async fn predicts_by(app: &TestApp, version: &str) {
    let swapped = async {
        while app.predict(sample(1)).await.expect("an answer").model_version != version {
            tokio::task::yield_now().await;
        }
    };
    time::timeout(Duration::from_secs(30), swapped).await.expect("a swap in time");
}

#[tokio::test]
async fn the_shipped_version_is_champion_from_the_start() {
    let app = TestApp::spawn().await;
    let champion = get(&app, "").await.expect("a champion");
    assert_eq!((champion.origin(), champion.is_champion, champion.is_kept), (Origin::Shipped, true, true));
    assert_eq!((champion.task.as_str(), champion.run), (TASK, None));
    let shipped = shipped::checkpoint().expect("the shipped checkpoint");
    assert!(pb::digest_text(&shipped.digest()).starts_with(&champion.version), "{champion:?}");
    assert_eq!(get(&app, &champion.version).await.expect("an answer"), champion.clone());
    assert_eq!(list(&app).await, [champion]);
}

#[tokio::test]
async fn an_imported_checkpoint_is_a_version_and_answers_once_it_is_promoted() {
    let app = TestApp::spawn().await;
    let shipped = champion(&app).await;
    let file = checkpoints::with_budgets();
    let (imported, is_new) = import(&app, file.path()).await.expect("a version");
    assert!(is_new && !imported.is_champion && imported.is_kept);
    assert_eq!(imported.origin(), Origin::Imported);
    assert_eq!(import(&app, file.path()).await.expect("an answer"), (imported.clone(), false));
    let versions: Vec<_> = list(&app).await.into_iter().map(|version| version.version).collect();
    assert_eq!(versions, [imported.version.clone(), shipped.clone()]);
    assert_eq!(app.predict(sample(1)).await.expect("an answer").model_version, shipped);

    let promotion =
        promote(&app, &imported.version, Some(&shipped)).await.expect("promoted").expect("a change");
    assert_eq!(promotion.from_version(), shipped);
    assert_eq!((promotion.to_version.as_str(), promotion.who.as_str()), (imported.version.as_str(), "ada"));
    assert_eq!(champion(&app).await, imported.version);
    predicts_by(&app, &imported.version).await;
    let again = promote(&app, &imported.version, Some(&shipped)).await.expect("it is champion already");
    assert_eq!(again, None);
    assert_eq!(history(&app).await[0], promotion);
}

#[tokio::test]
async fn a_promotion_that_expects_another_champion_names_the_one_there_is() {
    let app = TestApp::spawn().await;
    let shipped = champion(&app).await;
    let (imported, _) = import(&app, checkpoints::of_one_step().path()).await.expect("a version");
    for expected in ["", "0000000000000000"] {
        let status = promote(&app, &imported.version, Some(expected)).await.expect_err("another champion");
        assert_eq!(status.code(), Code::Aborted);
        let violation = violation(&status);
        assert_eq!(violation.r#type, "CHAMPION_IS_EXPECTED");
        assert_eq!(violation.subject, format!("tasks/{TASK}/modelVersions/{shipped}"));
        assert!(status.message().contains(&shipped), "{status:?}");
    }
    let status = promote(&app, &imported.version, None).await.expect_err("nothing is expected");
    assert_eq!(field(&status), "expected_champion");
    let status = roll_back(&app, &imported.version).await.expect_err("another champion");
    assert_eq!((status.code(), violation(&status).r#type.as_str()), (Code::Aborted, "CHAMPION_IS_EXPECTED"));
    let status = promote(&app, "0000000000000000", Some(&shipped)).await.expect_err("no such version");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(champion(&app).await, shipped);
}

#[tokio::test]
async fn a_rollback_goes_back_once_and_pauses_automatic_promotion_until_it_is_resumed() {
    let app = TestApp::spawn().await;
    let shipped = champion(&app).await;
    let status = roll_back(&app, &shipped).await.expect_err("nothing to go back to");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(violation(&status).r#type, "PREVIOUS_CHAMPION");
    assert_eq!(tasks::get(&app, TASK).await.expect("a task").promotion_paused_at, None);

    let (imported, _) = import(&app, checkpoints::with_budgets().path()).await.expect("a version");
    let promotion =
        promote(&app, &imported.version, Some(&shipped)).await.expect("promoted").expect("a change");
    predicts_by(&app, &imported.version).await;
    let back = roll_back(&app, &imported.version).await.expect("rolled back");
    assert_eq!((back.from_version(), &back.to_version), (imported.version.as_str(), &shipped));
    assert_eq!((back.rolls_back, back.why.as_str()), (Some(promotion.promotion), "it was not"));
    assert_eq!(roll_back(&app, &imported.version).await.expect("rolled back before"), back);
    predicts_by(&app, &shipped).await;
    assert_eq!(history(&app).await[..2], [back, promotion]);

    assert!(tasks::get(&app, TASK).await.expect("a task").promotion_paused_at.is_some());
    let request = pb::ResumePromotionRequest { task: TASK.into() };
    let resumed = service(&app).resume_promotion(request).await.expect("resumed").into_inner();
    let resumed = resumed.task.expect("always set");
    assert_eq!(resumed.promotion_paused_at, None);
    assert_eq!(tasks::get(&app, TASK).await.expect("an answer"), resumed);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let app = TestApp::spawn().await;
    let status = get(&app, "0000000000000000").await.expect_err("no version");
    assert_eq!(status.code(), Code::NotFound);
    let resource = status.get_details_resource_info().expect("which resource");
    assert_eq!(resource.resource_name, format!("{TASK}/0000000000000000"));
    assert_eq!(export(&app, "0000000000000000").await.expect_err("no version").code(), Code::NotFound);
    for version in ["", "0000000000000000"] {
        let request = pb::GetModelVersionRequest { task: "nobody".into(), version: version.into() };
        let status = service(&app).get_model_version(request).await.expect_err("no task");
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.get_details_resource_info().expect("which resource").resource_name, "nobody");
    }
    let request = pb::ListModelVersionsRequest { task: "nobody".into(), ..Default::default() };
    let status = service(&app).list_model_versions(request).await.expect_err("no task");
    assert_eq!(status.code(), Code::NotFound);
    let request = pb::ResumePromotionRequest { task: "nobody".into() };
    assert_eq!(service(&app).resume_promotion(request).await.expect_err("no task").code(), Code::NotFound);
    let request =
        pb::ListPromotionsRequest { page_token: "x".into(), task: TASK.into(), ..Default::default() };
    assert_eq!(field(&service(&app).list_promotions(request).await.expect_err("no token")), "page_token");

    tasks::create(&app, tasks::task("a"), "").await.expect("a new task");
    let request = pb::GetModelVersionRequest { task: "a".into(), version: String::new() };
    let status = service(&app).get_model_version(request).await.expect_err("no champion");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(violation(&status).r#type, "MODEL_PROMOTED");
}

#[tokio::test]
async fn what_is_exported_is_what_was_imported() {
    let app = TestApp::spawn().await;
    let (metadata, bytes) = export(&app, "").await.expect("the champion's");
    assert_eq!(bytes, shipped::checkpoint().expect("the shipped checkpoint").as_bytes());
    assert_eq!(metadata.version, champion(&app).await);
    assert_eq!(metadata.size_bytes, bytes.len() as u64);
    assert_eq!(metadata.sha256, pb::digest_text(&Sha256::digest(&bytes).into()));

    let file = checkpoints::of_one_step();
    let (imported, _) = import(&app, file.path()).await.expect("a version");
    let (metadata, bytes) = export(&app, &imported.version).await.expect("a checkpoint");
    assert_eq!((metadata.version, bytes), (imported.version, std::fs::read(file.path()).expect("a file")));
}

#[tokio::test]
async fn what_is_no_checkpoint_of_the_task_is_refused_by_field() {
    let app = TestApp::spawn().await;
    let metadata = |bytes: &[u8]| pb::ImportCheckpointMetadata {
        task: TASK.into(),
        size_bytes: bytes.len() as u64,
        sha256: pb::digest_text(&Sha256::digest(bytes).into()),
    };
    let chunk = |bytes: &[u8]| Part::Chunk(bytes.to_vec());
    let bytes = b"no checkpoint".as_slice();
    let (five, long) = (metadata(&bytes[..5]), metadata(&[0; 20]));
    let zeros = pb::ImportCheckpointMetadata { sha256: "0".repeat(64), ..metadata(bytes) };
    let large = pb::ImportCheckpointMetadata { size_bytes: 1 << 40, ..metadata(bytes) };
    let nameless = pb::ImportCheckpointMetadata { task: String::new(), ..metadata(bytes) };
    for (parts, expected) in [
        (vec![], "metadata"),
        (vec![chunk(bytes)], "metadata"),
        (vec![Part::Metadata(nameless)], "metadata.task"),
        (vec![Part::Metadata(large)], "metadata.size_bytes"),
        (vec![Part::Metadata(metadata(bytes)), Part::Metadata(metadata(bytes))], "metadata"),
        (vec![Part::Metadata(five), chunk(bytes)], "metadata.size_bytes"),
        (vec![Part::Metadata(long), chunk(bytes)], "metadata.size_bytes"),
        (vec![Part::Metadata(zeros), chunk(bytes)], "metadata.sha256"),
        (vec![Part::Metadata(metadata(bytes)), chunk(&bytes[..4]), chunk(&bytes[4..])], "chunk"),
    ] {
        let status = send(&app, parts.clone().into_iter()).await.expect_err("no checkpoint");
        assert_eq!(field(&status), expected, "{parts:?}");
    }
    let unknown = pb::ImportCheckpointMetadata { task: "nobody".into(), ..metadata(bytes) };
    let status = send(&app, iter::once(Part::Metadata(unknown))).await.expect_err("no task");
    assert_eq!(status.code(), Code::NotFound);
    let status = import(&app, checkpoints::of_no_number().path()).await.expect_err("no numbers");
    assert_eq!(field(&status), "chunk");
    assert!(status.message().contains("score is not finite"), "{status:?}");
    assert_eq!(list(&app).await.len(), 1);
}

#[tokio::test]
async fn so_many_imports_at_once_and_no_more_and_none_delays_the_stop() {
    let app = TestApp::spawn().await;
    let file = checkpoints::of_one_step();
    let mut open = Vec::new();
    for _ in 0..4 {
        let (keep_open, messages) = mpsc::channel(1);
        let mut service = service(&app);
        let call =
            tokio::spawn(async move { service.import_checkpoint(ReceiverStream::new(messages)).await });
        open.push((keep_open, call));
    }
    let refused = async {
        loop {
            if let Err(status) = import(&app, file.path()).await {
                break status;
            }
        }
    };
    let status = time::timeout(Duration::from_secs(30), refused).await.expect("a limit");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
    app.stop().await.expect("a stop in time");
    for (_, call) in open {
        assert_eq!(call.await.expect("no panic").expect_err("broken off").code(), Code::Unavailable);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_imports_promotes_rolls_back_and_exports() {
    let app = TestApp::spawn().await;
    let server = app.addr.to_string();
    let models = move |arguments: &[&str]| {
        let common = ["--server", &server, "--task", TASK];
        let output = tagates(&[&["models"], arguments, &common].concat(), "");
        let records: Vec<Value> =
            lines(&output.stdout).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (output, records)
    };
    tokio::task::spawn_blocking(move || {
        let name = |record: &Value| record["version"].as_str().expect("a name").to_owned();
        let shipped = name(&models(&["get"]).1[0]);
        let file = checkpoints::with_budgets();
        let (output, imported) = models(&["import", text(file.path())]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            (&imported[0]["origin"], &imported[0]["is_champion"]),
            (&json!("imported"), &json!(false))
        );
        let version = name(&imported[0]);
        assert_eq!(models(&["get", &version]).1, imported);
        assert_eq!(
            models(&["list"]).1.iter().map(name).collect::<Vec<_>>(),
            [version.clone(), shipped.clone()]
        );

        let signature = ["--who", "ada", "--why", "better"];
        let promote = |expected: &str| {
            models(&[&["promote", &version, "--expected-champion", expected], &signature[..]].concat())
        };
        let (output, _) = promote("none");
        assert!(error(&output).contains(&format!("champion of task {TASK} is {shipped}")), "{output:?}");
        let (output, promoted) = promote(&shipped);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            (&promoted[0]["from_version"], &promoted[0]["to_version"]),
            (&json!(shipped), &json!(version))
        );
        let (output, again) = promote(&shipped);
        assert_eq!((output.status.code(), again.len()), (Some(0), 0));

        let out = tempfile::tempdir().expect("a temporary folder");
        let path = out.path().join("champion.safetensors");
        let (output, exported) = models(&["export", "--out", text(&path)]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(exported[0]["version"], version.as_str());
        assert_eq!(std::fs::read(&path).expect("a file"), std::fs::read(file.path()).expect("a file"));

        let (output, back) = models(&[&["rollback", &version], &signature[..]].concat());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(back[0]["rolls_back"], promoted[0]["promotion"]);
        assert_eq!(models(&["history"]).1[..2], [back[0].clone(), promoted[0].clone()]);
        let (output, task) = models(&["resume"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!((&task[0]["name"], task[0].get("promotion_paused_at")), (&json!(TASK), None));
    })
    .await
    .expect("no panic");
}
