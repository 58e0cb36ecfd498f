//! `tagates predict` and `tagates canonicalize` as a shell sees them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tagates::space;

use crate::app::{TestApp, config};
use crate::checkpoints;

const CONVOLUTIONS: &str =
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|";
const POOLS: &str = "|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|avg_pool_3x3~2|";

/// Runs the binary with `input` as its standard input.
pub fn tagates(arguments: &[impl AsRef<OsStr>], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tagates"))
        .args(arguments)
        // Not the database of whoever runs the tests.
        .env_remove("TAGATES_DATABASE_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    // A command that fails early does not read its input.
    let _ = writer.join().expect("no panic");
    output
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

pub fn lines(output: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(output).lines().map(str::to_owned).collect()
}

/// The line in which a command that failed says why.
pub fn error(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let is_error = |line: &String| line.starts_with("error: ") || line.starts_with("line ");
    lines(&output.stderr).into_iter().find(is_error).expect("an error")
}

/// The whole space, one architecture a line.
fn whole_space() -> Vec<String> {
    let all = space::nasbench201().enumerate().expect("a finite space");
    all.map(|architecture| architecture.text().to_owned()).collect()
}

#[test]
fn predict_prints_score_and_architecture_in_order() {
    let output = tagates(&["predict", CONVOLUTIONS, POOLS], "");
    assert!(output.status.success());
    let lines = lines(&output.stdout);
    let architectures: Vec<_> = lines.iter().map(|line| line.split_once('\t').expect("a tab").1).collect();
    assert_eq!(architectures, [CONVOLUTIONS, POOLS]);
    for line in &lines {
        let score: f64 = line.split('\t').next().expect("a score").parse().expect("a number");
        assert!(score.is_finite());
    }
}

#[test]
fn predict_reads_standard_input_names_bad_lines_and_goes_on() {
    let input = format!("{CONVOLUTIONS}\n\n|none~0|\n{POOLS}\n");
    let output = tagates(&["predict", "--input", "-"], &input);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output.stdout).len(), 2);
    let errors = lines(&output.stderr);
    assert!(errors.len() == 1 && errors[0].starts_with("line 3: column 9"), "{errors:?}");
}

#[test]
fn predict_prints_json_lines_with_the_steps_where_they_are_asked_for() {
    let checkpoint = checkpoints::with_budgets();
    let arguments = ["predict", "--checkpoint", text(checkpoint.path()), "--format", "json", "--anytime"];
    let output = tagates(&[&arguments[..], &[CONVOLUTIONS, "|oops"]].concat(), "");
    let records: Vec<serde_json::Value> =
        lines(&output.stdout).iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records[0]["architecture"], CONVOLUTIONS);
    assert_eq!((&records[0]["score_kind"], &records[0]["unit"]), (&"metric".into(), &"percent".into()));
    assert_eq!(
        (&records[0]["steps"][0]["budget"], &records[0]["steps"][1]["budget"]),
        (&12.into(), &200.into())
    );
    assert_eq!(records[0]["steps"][1]["score"], records[0]["score"]);
    assert_eq!(records[1]["architecture"], "|oops");
    assert!(records[1]["error"].as_str().is_some_and(|error| error.starts_with("column")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_and_this_process_print_the_same_for_many_lines() {
    let checkpoint = checkpoints::with_budgets();
    let app = TestApp::spawn_with_checkpoint(checkpoint.path()).await;
    let some: Vec<_> = whole_space().into_iter().step_by(3).collect();
    let (input, n_lines) = (some.join("\n"), some.len());
    let url = app.addr.to_string();
    let (here, there) = tokio::task::spawn_blocking(move || {
        let predict = ["predict", "--input", "-", "--anytime"];
        let here = tagates(&[&predict[..], &["--checkpoint", text(checkpoint.path())]].concat(), &input);
        let there = tagates(&[&predict[..], &["--server", &url]].concat(), &input);
        (here, there)
    })
    .await
    .expect("no panic");
    assert!(here.status.success() && there.status.success());
    assert_eq!(lines(&here.stdout).len(), n_lines);
    assert!(here.stdout == there.stdout, "the scores differ");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut input = tempfile::NamedTempFile::new().expect("a temporary file");
    for text in whole_space() {
        writeln!(input, "{text}").expect("a writable file");
    }
    let path = text(input.path());
    let mut child = Command::new(env!("CARGO_BIN_EXE_tagates"))
        .args(["canonicalize", "--space", "nasbench201", "--input", path])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut first).expect("a line");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), lines(&output.stderr)), (Some(0), Vec::new()));
}

#[test]
fn canonicalize_prints_one_id_a_line_the_same_for_the_same_computation() {
    let skip_first = "|skip_connect~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|skip_connect~2|";
    let skip_last = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|";
    let output = tagates(
        &["canonicalize", "--space", "nasbench201"],
        &format!("{skip_first}\n{skip_last}\n{POOLS}\n"),
    );
    assert!(output.status.success());
    let ids = lines(&output.stdout);
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[test]
fn canonicalize_names_the_line_and_the_space_that_are_wrong() {
    let output = tagates(&["canonicalize", "--space", "nasbench201"], &format!("{POOLS}\n|conv~0|\n"));
    assert_eq!((output.status.code(), lines(&output.stdout).len()), (Some(1), 1));
    assert!(error(&output).starts_with("error: line 2: column 2"), "{output:?}");

    let output = tagates(&["canonicalize", "--space", "nasbench999"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains("nasbench999"), "{output:?}");
}

#[test]
fn a_checkpoint_is_served_for_the_task_it_names_or_the_one_it_is_given() {
    let checkpoint = checkpoints::without_task();
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let common = ["serve", "--listen", "127.0.0.1:0", "--data-dir", text(data_dir.path()), "--checkpoint"];
    let serve = |path: &Path, more: &[&str]| tagates(&[&common[..], &[text(path)], more].concat(), "");
    let output = serve(checkpoint.path(), &[]);
    assert!(error(&output).contains("--task"), "{output:?}");
    let output = serve(checkpoint.path(), &["--task", "nasbench999"]);
    assert!(error(&output).contains("nasbench999"), "{output:?}");
    let output = serve(checkpoints::of_one_step().path(), &["--task", "another"]);
    assert!(error(&output).contains("nasbench201-cifar10"), "{output:?}");
    let flags = ["--checkpoint", text(checkpoint.path()), "--task", "nasbench201-cifar10"];
    let pinned = config(data_dir.path(), &flags).pinned().expect("a task it is given");
    assert_eq!(pinned.expect("a checkpoint").0.as_str(), "nasbench201-cifar10");
}

#[test]
fn a_model_that_answers_with_no_number_is_not_served() {
    let checkpoint = checkpoints::of_no_number();
    let data_dir = tempfile::tempdir().expect("a temporary folder");
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", text(data_dir.path()), "--checkpoint"];
    let output = tagates(&[&serve[..], &[text(checkpoint.path())]].concat(), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).ends_with("did not answer: its score is not finite"), "{output:?}");
}

#[test]
fn a_truncated_checkpoint_is_refused() {
    let whole = checkpoints::of_one_step();
    let bytes = std::fs::read(whole.path()).expect("a checkpoint");
    let truncated = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(truncated.path(), &bytes[..bytes.len() / 2]).expect("a writable file");
    let path = text(truncated.path());
    let output = tagates(&["predict", "--checkpoint", path, POOLS], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(error(&output).contains(path), "{output:?}");
}
