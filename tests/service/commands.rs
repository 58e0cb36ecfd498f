//! The commands that ask a server, each against the real one.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tagates::space::{Definition, SearchSpace};
use tokio::time;

use crate::app::TestApp;
use crate::checkpoints;
use crate::command_line::{error, lines, tagates, text};

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

/// A space of one's own: operations on the nodes, as few edges as one likes.
const SPACE: &str = r#"
name = "mine"
description = "Cells of up to five nodes"
placement = "node"
wiring = { free = { max_edges = 6 } }
dead_nodes = "pruned"
read_out = "mean_of_nodes"
operations = [{ name = "conv", role = "parametrised" }, { name = "pool", role = "free" }]

[[cells]]
name = "cell"
n_nodes = 5
min_nodes = 2
n_inputs = 1
"#;

/// Creates a task of it.
const OF_MINE: [&str; 16] = [
    "tasks",
    "create",
    "--name",
    "of-mine",
    "--space",
    "mine",
    "--dataset",
    "cifar10",
    "--metric",
    "test_accuracy",
    "--goal",
    "maximize",
    "--unit",
    "percent",
    "--budgets",
    "200",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_space_is_created_from_a_file_and_used_by_its_name() {
    let app = TestApp::spawn().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, SPACE).expect("room on the disk");
    let file = text(&file);
    let created = json(&app, &["spaces", "create", file]).await.remove(0);
    assert_eq!((&created["name"], &created["wiring"]["free"]["max_edges"]), (&"mine".into(), &6.into()));
    let again = run(&app, &["spaces", "create", file]).await;
    assert!(again.status.success());
    assert_eq!(lines(&again.stderr), ["the server has it already"]);
    let listed = json(&app, &["spaces", "list"]).await;
    assert_eq!(listed.iter().filter(|space| space["name"] == "mine").count(), 1);
    // What is got can be created.
    let copy = folder.path().join("copy.json");
    let got = json(&app, &["spaces", "get", "mine"]).await.remove(0);
    assert_eq!(got, created);
    std::fs::write(&copy, got.to_string()).expect("room on the disk");
    assert!(run(&app, &["spaces", "create", text(&copy)]).await.status.success());
    std::fs::write(&copy, got.to_string().replace("pool", "mean")).expect("room on the disk");
    assert!(error(&run(&app, &["spaces", "create", text(&copy)]).await).contains("AlreadyExists"));

    let sampled = lines(&run(&app, &["sample", "--space", "mine", "--count", "5"]).await.stdout);
    assert_eq!(sampled, lines(&tagates(&["sample", "--space", file, "--count", "5"], "").stdout));
    assert_eq!(sampled.len(), 5);
    let image = folder.path().join("cell.svg");
    let described = json(&app, &["describe", &sampled[0], "--space", "mine", "--svg", text(&image)]).await;
    assert!(std::fs::read_to_string(&image).expect("an image").starts_with("<svg"));
    let here = tagates(&["describe", &sampled[0], "--space", file], "");
    assert_eq!(
        described[0].to_string(),
        serde_json::from_slice::<Value>(&here.stdout).expect("JSON").to_string()
    );
    assert_eq!((&described[0]["text"], described[0].get("flops")), (&sampled[0].as_str().into(), None));

    json(&app, &OF_MINE).await;
    // Rows that hold the object's fields as columns, among others.
    let table = folder.path().join("table.jsonl");
    let row =
        |text: &String| format!("{},\"acc\":90,\"who\":7}}\n", text.strip_suffix('}').expect("an object"));
    std::fs::write(&table, sampled.iter().map(row).collect::<String>()).expect("room on the disk");
    let import = ["import", text(&table), "--task", "of-mine", "--target", "acc", "--strict"];
    assert_eq!(json(&app, &import).await[0]["new"], 5);
    let exported = json(&app, &["export", "--task", "of-mine"]).await;
    let texts = exported.iter().map(|row| row["architecture"].as_str().expect("a text"));
    assert_eq!(texts.collect::<Vec<_>>(), sampled);
    let ids = lines(&tagates(&["canonicalize", "--space", file, "--input", text(&table)], "").stdout);
    assert!(ids.len() == 5 && ids.iter().all(|id| id.starts_with("mine.")), "{ids:?}");
    assert_eq!(ids, lines(&tagates(&["canonicalize", "--space", file], &sampled.join("\n")).stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_a_created_space_answers_and_one_of_another_definition_is_refused() {
    let app = TestApp::spawn().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, SPACE).expect("room on the disk");
    json(&app, &["spaces", "create", text(&file)]).await;
    json(&app, &OF_MINE).await;
    let definition: Definition = toml::from_str(SPACE).expect("a definition");
    let space = Arc::new(SearchSpace::custom(definition.clone()).expect("sound"));
    let mut wider = definition;
    wider.cells[0].n_nodes = 6;
    let wider = Arc::new(SearchSpace::custom(wider).expect("sound"));

    let checkpoint = checkpoints::of_space(&wider);
    let refused = run(&app, &["models", "import", "--task", "of-mine", text(checkpoint.path())]).await;
    assert!(error(&refused).contains("scores space mine, defined otherwise"), "{refused:?}");
    let checkpoint = checkpoints::of_space(&space);
    let imported = json(&app, &["models", "import", "--task", "of-mine", text(checkpoint.path())]).await;
    let version = imported[0]["version"].as_str().expect("a name");
    let promote = [
        &["models", "promote", version, "--task", "of-mine", "--expected-champion", "none"][..],
        &["--who", "ada", "--why", "the first"],
    ]
    .concat();
    json(&app, &promote).await;
    let architectures: Vec<String> =
        space.sample(3, 1).iter().map(|architecture| architecture.text().to_owned()).collect();
    let predict: Vec<&str> = ["predict", "--task", "of-mine"]
        .into_iter()
        .chain(architectures.iter().map(String::as_str))
        .collect();
    let answered = async {
        loop {
            let output = run(&app, &predict).await;
            if output.status.success() {
                return lines(&output.stdout);
            }
        }
    };
    let scored = time::timeout(Duration::from_secs(30), answered).await.expect("it is loaded in time");
    let here = [&["predict", "--checkpoint", text(checkpoint.path())], &predict[3..]].concat();
    assert_eq!(scored, lines(&tagates(&here, "").stdout));
}

#[test]
fn what_is_no_space_says_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, SPACE.replace("n_inputs = 1", "n_inputs = 5")).expect("room on the disk");
    let sample = |space: &str| error(&tagates(&["sample", "--space", space, "--count", "5"], ""));
    assert!(sample("nasbench999").contains("nasbench201) nor a .toml or .json file (--space)"));
    assert!(sample(text(&file)).contains("cells[0].n_inputs: 5 input nodes are not 1 to 4"));
}
