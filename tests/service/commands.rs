//! The commands that ask a server, each against the real one.

use serde_json::Value;

use crate::app::TestApp;
use crate::command_line::{error, lines, tagates};

const CELL: &str =
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|";

/// Runs the binary beside the server.
async fn run(app: &TestApp, arguments: &[&str]) -> std::process::Output {
    let server = app.addr.to_string();
    let arguments: Vec<String> =
        arguments.iter().map(ToString::to_string).chain(["--server".to_owned(), server]).collect();
    tokio::task::spawn_blocking(move || tagates(&arguments, "")).await.expect("no panic")
}

/// The JSON lines of a command that succeeds.
async fn json(app: &TestApp, arguments: &[&str]) -> Vec<Value> {
    let output = run(app, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    lines(&output.stdout).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_created_changed_found_and_archived() {
    let app = TestApp::spawn().await;
    let create = [
        &["tasks", "create", "--name", "mine", "--space", "nasbench201", "--dataset", "cifar100"][..],
        &["--metric", "test_accuracy", "--goal", "maximize", "--unit", "percent", "--budgets", "12,200"],
        &["--min-value", "1.5", "--cool-down-s", "7"],
    ]
    .concat();
    assert_eq!(json(&app, &create).await[0]["valid_range"]["min"], 1.5);
    assert!(error(&run(&app, &create).await).contains("mine"));
    let updated = json(&app, &["tasks", "update", "mine", "--min-observations", "9"]).await;
    let policy = &updated[0]["retraining_policy"];
    assert_eq!((&policy["min_observations"], &policy["cool_down_s"]), (&9.into(), &7.into()));

    let names = async |flags: &[&str]| {
        let listed = json(&app, &[&["tasks", "list"], flags].concat()).await;
        listed.iter().map(|task| task["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]).await, ["mine", "nasbench201-cifar10"]);
    let fraction = ["observe", "--task", "mine", "--budget", "200", "--value", "0.93", CELL];
    assert!(error(&run(&app, &fraction).await).contains("is this a fraction"));
    json(&app, &["tasks", "archive", "mine"]).await;
    assert_eq!(names(&[]).await, ["nasbench201-cifar10"]);
    assert!(json(&app, &["tasks", "get", "mine"]).await[0]["archived_at"].is_string());
    let observe = ["observe", "--task", "mine", "--budget", "200", "--value", "93", CELL];
    assert!(error(&run(&app, &observe).await).contains("archived"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_observed_is_exported_retracted_and_recorded_again() {
    let app = TestApp::spawn().await;
    let task = ["--task", "nasbench201-cifar10"];
    let observe = async |value| {
        let flags = ["observe", "--budget", "200", "--source", "me", "--value", value, CELL];
        run(&app, &[&flags[..], &task].concat()).await
    };
    assert!(observe("94.3").await.status.success());
    let conflict = observe("93.1").await;
    assert_eq!(conflict.status.code(), Some(1));
    let said = String::from_utf8_lossy(&conflict.stdout).into_owned();
    assert!(said.contains("94.3") && said.contains("93.1"), "{said}");

    let exported = json(&app, &[&["export"][..], &task].concat()).await;
    assert_eq!(
        (exported.len(), &exported[0]["value"], &exported[0]["sequence"]),
        (1, &94.3.into(), &1.into())
    );
    let retract = [&["retract", "--source", "me", "--reason", "a wrong mount"][..], &task].concat();
    let retracted = json(&app, &retract).await;
    assert_eq!((&retracted[0]["sequence"], &retracted[0]["n_observations"]), (&2.into(), &1.into()));
    assert!(json(&app, &[&["export"][..], &task].concat()).await.is_empty());
    let listed = json(&app, &[&["retractions", "list"][..], &task].concat()).await;
    assert_eq!(listed[0]["reason"], "a wrong mount");
    json(&app, &[&["retractions", "undo", "2"][..], &task].concat()).await;
    assert_eq!(json(&app, &[&["export"][..], &task].concat()).await[0]["sequence"], 3);
}

#[test]
fn migrate_says_where_the_schema_was_and_is() {
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let migrate = ["migrate", "--data-dir", data_dir.path().to_str().expect("a path in UTF-8")];
    let check = [&migrate[..], &["--migrate", "check"]].concat();
    assert!(error(&tagates(&check, "")).contains("version none"));
    let first = tagates(&migrate, "");
    assert!(lines(&first.stdout)[0].contains("schema from nothing to version"), "{first:?}");
    let second = tagates(&check, "");
    assert!(second.status.success() && lines(&second.stdout)[0].contains("schema at version"), "{second:?}");
}
