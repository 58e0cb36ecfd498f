//! `tagates train` and `tagates evaluate` as a shell sees them.

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tagates::fit::FitConfig;
use tagates::model::{Checkpoint, Encoder, ModelConfig, SymmetryBreaking, TaGatesConfig};
use tempfile::TempDir;

use crate::app::sample_texts;
use crate::command_line::{error, lines, tagates, text};

/// A folder with a table in both formats, and configurations that train in no time.
struct Workplace {
    folder: TempDir,
    texts: Vec<String>,
}

const N_ROWS: usize = 40;

impl Workplace {
    /// The table has columns `arch`, `acc_12`, `acc_200`, `z` and `split`; every fourth row is `test`.
    fn new() -> Self {
        let place =
            Self { folder: tempfile::tempdir().expect("a temporary folder"), texts: sample_texts(N_ROWS) };
        let rows: Vec<usize> = (0..N_ROWS).collect();
        place.write_csv("table.csv", &rows);
        for (name, n_epochs, symmetry_breaking) in [
            ("quick.toml", 3, SymmetryBreaking::None),
            ("long.toml", 200, SymmetryBreaking::None),
            ("saliencies.toml", 3, SymmetryBreaking::Add { n_metrics: 2, beta: 0.1 }),
        ] {
            let config = toml::to_string(&small(n_epochs, symmetry_breaking)).expect("TOML");
            fs::write(place.path(name), config).expect("a writable folder");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What stands in row `row`.
    fn row(&self, row: usize) -> Value {
        let cell = &self.texts[row];
        let worth = cell.matches("3x3").count() as f64 + cell.matches("1x1").count() as f64 / 2.0;
        let saliencies: Vec<[f64; 2]> = (0..6).map(|edge| [f64::from(edge), worth]).collect();
        json!({
            "arch": cell,
            "acc_12": 20.0 + 5.0 * worth,
            "acc_200": 40.0 + 8.0 * worth,
            "z": saliencies,
            "split": if row.is_multiple_of(4) { "test" } else { "train" },
        })
    }

    fn write_csv(&self, name: &str, rows: &[usize]) {
        let mut table = "arch,acc_12,acc_200,z,split\n".to_owned();
        for &row in rows {
            let row = self.row(row);
            let plain = |column: &str| row[column].to_string().trim_matches('"').to_owned();
            let [arch, low, high, split] = ["arch", "acc_12", "acc_200", "split"].map(plain);
            writeln!(table, "{arch},{low},{high},\"{}\",{split}", row["z"]).expect("a String grows");
        }
        fs::write(self.path(name), table).expect("a writable folder");
    }

    fn write_jsonl(&self, name: &str, rows: &[usize]) {
        let lines: Vec<String> = rows.iter().map(|&row| self.row(row).to_string()).collect();
        fs::write(self.path(name), lines.join("\n")).expect("a writable folder");
    }

    /// `tagates train` with these arguments, files named as in the folder.
    fn train(&self, arguments: &[&str]) -> Output {
        tagates(&self.arguments(arguments), "")
    }

    fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let is_file = |argument: &str| argument.contains('.') && !argument.starts_with('-');
        let absolute = |argument: &&str| {
            if is_file(argument) { text(&self.path(argument)).to_owned() } else { (*argument).to_owned() }
        };
        std::iter::once("train".to_owned()).chain(arguments.iter().map(absolute)).collect()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }
}

fn small(n_epochs: usize, symmetry_breaking: SymmetryBreaking) -> FitConfig {
    let config = FitConfig::named("nasbench201").expect("a built-in configuration");
    let encoder = TaGatesConfig {
        n_steps: 2,
        operation_dim: 8,
        node_dim: 8,
        hidden_dim: 8,
        forward_dims: vec![8],
        backward_dims: vec![8],
        conversion_dims: vec![8],
        update_dims: vec![8],
        symmetry_breaking,
        ..TaGatesConfig::default()
    };
    let model =
        ModelConfig { encoder: Encoder::TaGates(encoder), head_dims: vec![8], ..config.model.clone() };
    FitConfig { model, n_epochs, batch_size: 16, ..config }
}

fn assert_succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn evaluate(table: &Path, more: &[&str]) -> Value {
    let arguments = ["evaluate", "--data", text(table), "--format", "json"];
    let output = tagates(&[&arguments[..], more].concat(), "");
    assert_succeeds(&output);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn rows_are_picked_cyclically_and_either_format_trains_the_same_file() {
    let place = Workplace::new();
    // The 30 rows for training less 25 are 5, then it goes on with the first ones.
    let training: Vec<usize> = (0..N_ROWS).filter(|row| row % 4 != 0).collect();
    let picked: Vec<usize> = training.iter().cycle().skip(25).take(20).copied().collect();
    place.write_jsonl("picked.jsonl", &picked);
    let common = ["--budgets", "acc_12,acc_200", "--config", "quick.toml", "--seed", "7"];
    let by_flags = ["--data", "table.csv", "--where", "split=train", "--skip", "25", "--first", "20"];
    let output = place.train(&[&by_flags[..], &common, &["--out", "by-flags.safetensors"]].concat());
    assert_succeeds(&output);
    assert!(lines(&output.stdout)[0].starts_with("trained on 20 architectures"), "{output:?}");
    let by_hand = ["--data", "picked.jsonl"];
    assert_succeeds(&place.train(&[&by_hand[..], &common, &["--out", "by-hand.safetensors"]].concat()));
    assert!(place.bytes("by-flags.safetensors") == place.bytes("by-hand.safetensors"), "the files differ");

    let other_seed = ["--budgets", "acc_12,acc_200", "--config", "quick.toml", "--seed", "8"];
    assert_succeeds(&place.train(&[&by_hand[..], &other_seed, &["--out", "other.safetensors"]].concat()));
    assert!(place.bytes("other.safetensors") != place.bytes("by-hand.safetensors"), "the seed says nothing");
}

#[test]
fn an_interrupted_training_goes_on_to_the_same_file() {
    let place = Workplace::new();
    let command = ["--data", "table.csv", "--target", "acc_200", "--config", "long.toml", "--folds", "2"];
    assert_succeeds(&place.train(&[&command[..], &["--out", "whole.safetensors"]].concat()));

    let halves = [&command[..], &["--out", "halves.safetensors"]].concat();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tagates"))
        .args(place.arguments(&halves))
        .args(["--log", "tagates=debug"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    log.find(|line| line.as_ref().is_ok_and(|line| line.contains("epoch done")))
        .expect("an epoch")
        .expect("text");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let last = log.map(|line| line.expect("text")).last().expect("what became of it");
    assert!(last.contains("interrupted; the same command goes on from"), "{last}");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    assert!(!place.path("halves.safetensors").exists());
    assert!(place.path("halves.safetensors.partial").is_dir());

    assert_succeeds(&place.train(&halves));
    assert!(place.bytes("halves.safetensors") == place.bytes("whole.safetensors"), "the files differ");
    assert!(!place.path("halves.safetensors.partial").exists());
}

#[test]
fn saliencies_come_from_a_column() {
    let place = Workplace::new();
    let command = ["--data", "table.csv", "--target", "acc_200", "--config", "saliencies.toml"];
    let out = ["--out", "with-z.safetensors"];
    let message = error(&place.train(&[&command[..], &out].concat()));
    assert!(message.contains("name their column (--saliencies)"), "{message}");

    assert_succeeds(&place.train(&[&command[..], &out, &["--saliencies", "z"]].concat()));
    let checkpoint = place.path("with-z.safetensors");
    let evaluation = evaluate(
        &place.path("table.csv"),
        &["--target", "acc_200", "--saliencies", "z", "--checkpoint", text(&checkpoint)],
    );
    assert_eq!(evaluation["n"], N_ROWS);
}

#[test]
fn a_checkpoint_knows_how_the_saliencies_were_measured_that_it_learnt_from() {
    let place = Workplace::new();
    let proxy = "metrics = [\"grad_norm\", \"synflow\"]\nn_images = 2\nimage_side = 4\nn_classes = 2\n"
        .to_owned()
        + &["nasbench101", "nasbench201", "darts", "enas"]
            .map(|space| format!("{space} = {{ channels = 6, cells_per_stage = 1 }}\n"))
            .concat();
    fs::write(place.path("tiny.toml"), proxy).expect("a writable folder");
    let (table, tiny) = (place.path("table.csv"), place.path("tiny.toml"));
    let zero_cost = |seed: &str, out: &str, keep: &str| {
        let out = place.path(out);
        let measured = ["--proxy", text(&tiny), "--seed", seed, "--keep", keep, "--out", text(&out)];
        tagates(&[&["zero-cost", "--data", text(&table)][..], &measured].concat(), "")
    };
    assert_succeeds(&zero_cost("3", "measured.jsonl", "acc_200"));
    let other_label = error(&zero_cost("3", "measured.jsonl", "acc_200,acc_12"));
    assert!(other_label.contains("and not with acc_12"), "{other_label}");

    let command = ["--target", "acc_200", "--config", "saliencies.toml", "--saliencies", "saliencies"];
    assert_succeeds(
        &place
            .train(&[&command[..], &["--data", "measured.jsonl", "--out", "measured.safetensors"]].concat()),
    );
    let checkpoint = Checkpoint::read(&place.path("measured.safetensors")).expect("a checkpoint");
    let origin = checkpoint.header().saliencies.as_ref().expect("measured by the command");
    assert_eq!((origin.proxy.as_str(), origin.seed), (text(&tiny), 3));

    assert_succeeds(&zero_cost("4", "otherwise.jsonl", "acc_200"));
    let evaluation = ["--target", "acc_200", "--saliencies", "saliencies", "--checkpoint"];
    let checkpoint = place.path("measured.safetensors");
    let judged_by = |name: &str| {
        let data = place.path(name);
        tagates(&[&["evaluate", "--data", text(&data)][..], &evaluation, &[text(&checkpoint)]].concat(), "")
    };
    assert_succeeds(&judged_by("measured.jsonl"));
    let refused = error(&judged_by("otherwise.jsonl"));
    assert!(refused.contains("and seed 4, those of the checkpoint with"), "{refused}");
    let start =
        ["--data", "otherwise.jsonl", "--start-from", "measured.safetensors", "--out", "none.safetensors"];
    let refused = error(&place.train(&[&command[..], &start].concat()));
    assert!(refused.contains("(--start-from)") && refused.contains("and seed 4"), "{refused}");
}

#[test]
fn a_table_of_the_predictors_own_scores_agrees_with_it_and_its_mirror_image_does_not() {
    let place = Workplace::new();
    let output = tagates(&["predict", "--input", "-"], &place.texts.join("\n"));
    assert_succeeds(&output);
    let mut table = "arch,same,mirrored\n".to_owned();
    for line in lines(&output.stdout) {
        let (score, cell) = line.split_once('\t').expect("a tab");
        let score: f64 = score.parse().expect("a number");
        writeln!(table, "{cell},{score},{}", 100.0 - score).expect("a String grows");
    }
    let path = place.path("scores.csv");
    fs::write(&path, table).expect("a writable folder");

    let same = evaluate(&path, &["--target", "same"]);
    assert_eq!((&same["n"], &same["kendall_tau"]), (&json!(N_ROWS), &json!(1.0)));
    assert_eq!((&same["mean_squared_error"], &same["precision"][0]["share"]), (&json!(0.0), &json!(1.0)));
    let after_12 = evaluate(&place.path("table.csv"), &["--target", "acc_12", "--budget", "12"]);
    assert_eq!(
        evaluate(&place.path("table.csv"), &["--target", "acc_12"]),
        after_12,
        "its budget is in its name"
    );
    let mirrored = evaluate(&path, &["--target", "mirrored", "--budget", "200"]);
    assert_eq!(mirrored["kendall_tau"], json!(-1.0));
    let n_unseen = mirrored["n_unseen"].as_u64().expect("a count");
    assert!(0 < n_unseen && n_unseen < N_ROWS as u64, "{n_unseen}");
    assert!(mirrored["mean_squared_error"].as_f64().expect("a number") > 0.0);
}

#[test]
fn what_is_wrong_with_a_training_or_an_evaluation_is_named() {
    let place = Workplace::new();
    let refused = |arguments: &[&str], expected: &str| {
        let message = error(&place.train(&[arguments, &["--out", "none.safetensors"]].concat()));
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
        assert!(!place.path("none.safetensors").exists());
    };
    let quick = ["--data", "table.csv", "--config", "quick.toml"];
    refused(&[&quick[..], &["--target", "acc"]].concat(), "no column \"acc\"");
    refused(&[&quick[..], &["--budgets", "acc_200,acc_12"]].concat(), "--budgets");
    refused(&[&quick[..], &["--target", "acc_200", "--unit", "fraction"]].concat(), "line 2: acc_200");
    refused(&[&quick[..], &["--target", "acc_200", "--where", "split=none"]].concat(), "no row");
    refused(&[&quick[..], &["--target", "acc_200", "--task", "nothing"]].concat(), "--task");
    refused(&["--data", "table.csv", "--target", "acc_200", "--config", "nothing"], "paper/nasbench201");
    refused(&["--data", "missing.csv", "--target", "acc_200"], "missing.csv");

    fs::write(place.path("bad.csv"), "arch,acc\n|none~0|,50\n").expect("a writable folder");
    refused(&["--data", "bad.csv", "--target", "acc"], "line 2: arch");

    let table = place.path("table.csv");
    let evaluate = ["evaluate", "--data", text(&table), "--target", "acc_200", "--budget", "13"];
    let message = error(&tagates(&evaluate, ""));
    assert!(message.contains("only for 12, 200 (--budget)"), "{message}");
}
