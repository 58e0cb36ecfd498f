//! `tagates import`, `export` and `observe` as a shell sees them, against a server that can be made to fail.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Output;
use std::thread;

use serde_json::Value;
use tagates::domain::{Budget, Measurement};
use tagates::space;
use tempfile::NamedTempFile;

use crate::command_line::{lines, tagates, text};
use crate::recorder::Recorder;

const TASK: [&str; 2] = ["--task", "nasbench201-cifar10"];
const COLUMNS: [&str; 2] = ["--budgets", "acc_12,acc_200"];

fn file(ending: &str, text: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(ending).tempfile().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("room on the disk");
    file
}

/// A table of `n` cells with values that need all their digits.
fn table(n: usize) -> String {
    let mut text = "arch,split,acc_12,acc_200\n".to_owned();
    for (index, cell) in space::nasbench201().enumerate().expect("a finite space").take(n).enumerate() {
        let value = 90.0 + (index as f64).sin();
        let split = if index % 2 == 0 { "even" } else { "odd" };
        writeln!(text, "{},{split},{},{}", cell.text(), value / 3.0, value).expect("a string");
    }
    text
}

fn import(addr: SocketAddr, file: &NamedTempFile, flags: &[&str]) -> Output {
    let server = addr.to_string();
    tagates(&[&["import", text(file.path()), "--server", &server], &TASK[..], flags].concat(), "")
}

/// Rows, new, same, conflicts and invalid of the summary.
fn counts(output: &Output) -> [u64; 5] {
    let summary = lines(&output.stdout).pop().unwrap_or_else(|| panic!("no summary: {output:?}"));
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    ["rows", "new", "same", "conflicts", "invalid"].map(|name| summary[name].as_u64().expect("a count"))
}

#[test]
fn a_table_is_stored_once_however_often_it_is_sent() {
    let (recorder, table) = (Recorder::default(), file(".csv", &table(1_200)));
    let server = recorder.serve(None);
    let first = import(server.addr, &table, &COLUMNS);
    assert_eq!((first.status.code(), counts(&first)), (Some(0), [1_200, 2_400, 0, 0, 0]));
    let second = import(server.addr, &table, &COLUMNS);
    assert_eq!((second.status.code(), counts(&second)), (Some(0), [1_200, 0, 2_400, 0, 0]));
    assert_eq!(recorder.stored().len(), 2_400);
    assert_eq!(recorder.stored()[1].key().budget, Budget(200));
    assert_eq!(*recorder.stored()[1].measurement(), Measurement::Value(90.0));
}

#[test]
fn bad_rows_are_named_by_line_and_the_rest_is_kept_or_with_strict_none() {
    let mut rows: Vec<String> = table(5).lines().map(str::to_owned).collect();
    rows[1] = rows[1].replace("90", "0.9"); // line 2: a fraction in acc_200
    rows[2] = rows[2].replace("none~0", "conv~0"); // line 3: an operation that is not known
    rows[3].push_str(",1"); // line 4: a field too many
    rows[4] = rows[4].rsplit_once(',').expect("fields").0.to_owned() + ",high"; // line 5
    let table = file(".csv", &rows.join("\n"));
    for strict in [true, false] {
        let recorder = Recorder::default();
        let server = recorder.serve(None);
        let flags: &[&str] = if strict { &["--strict"] } else { &[] };
        let output = import(server.addr, &table, &[&COLUMNS, flags].concat());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let mut errors = lines(&output.stderr);
        errors.sort();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(errors[0].starts_with("line 2, acc_200: value: 0.9 is outside"), "{errors:?}");
        assert!(errors[0].ends_with("is this a fraction, not a percent?"), "{errors:?}");
        assert!(errors[1].starts_with("line 3: architecture.text: column"), "{errors:?}");
        assert!(errors[2].starts_with("line 4: not a row of the table's header"), "{errors:?}");
        assert_eq!(errors[3], "line 5: acc_200 is \"high\", not a number");
        let n_new = if strict { 0 } else { 4 };
        assert_eq!((recorder.stored().len() as u64, counts(&output)[1]), (n_new, n_new));
        assert_eq!(counts(&output)[4], 5);
    }
}

#[test]
fn a_column_that_is_not_there_is_named_once_and_nothing_is_sent() {
    let recorder = Recorder::default();
    let server = recorder.serve(None);
    let output = import(server.addr, &file(".csv", &table(5)), &["--budgets", "acc_12,acd_200"]);
    let errors = lines(&output.stderr);
    assert_eq!((output.status.code(), errors.len()), (Some(1), 1), "{errors:?}");
    assert!(errors[0].contains("no column \"acd_200\""), "{errors:?}");
    assert!(recorder.stored().is_empty());
}

#[test]
fn a_spread_without_repeats_is_an_error_of_its_row() {
    let recorder = Recorder::default();
    let server = recorder.serve(None);
    let cell = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|";
    let table = format!("architecture,budget,value,standard_deviation\n{cell},200,10,0.5\n");
    let output = import(server.addr, &file(".csv", &table), &[]);
    assert_eq!(lines(&output.stderr), ["line 2: standard_deviation is given without repeats"]);
    assert_eq!((output.status.code(), recorder.stored().len()), (Some(1), 0));
}

#[test]
fn a_conflict_is_named_by_line_with_both_values_and_changes_nothing() {
    let recorder = Recorder::default();
    let server = recorder.serve(None);
    import(server.addr, &file(".csv", &table(3)), &COLUMNS);
    let before = recorder.stored();
    let output = import(server.addr, &file(".csv", &table(3).replace(",90\n", ",91\n")), &COLUMNS);
    assert_eq!((output.status.code(), counts(&output)), (Some(1), [3, 0, 5, 1, 0]));
    let expected = "line 2, acc_200: observation 2 says value 90, this one value 91: the stored one stays";
    assert_eq!(lines(&output.stderr), [expected]);
    assert_eq!(recorder.stored(), before);
}

#[test]
fn rows_are_picked_by_column_and_place() {
    let (recorder, table) = (Recorder::default(), file(".csv", &table(10)));
    let server = recorder.serve(None);
    let flags = ["--where", "split=even", "--skip", "4", "--first", "2", "--source", "a", "--seed", "-3"];
    let output = import(server.addr, &table, &[&["--target", "acc_200"], &flags[..]].concat());
    assert_eq!(counts(&output), [2, 2, 0, 0, 0]);
    let cells: Vec<_> = space::nasbench201().enumerate().expect("a finite space").take(10).collect();
    let stored = recorder.stored();
    // The first and the last of the five even ones.
    assert_eq!([0, 1].map(|row| &stored[row].key().architecture), [&cells[0], &cells[8]]);
    assert!(stored.iter().all(|stored| stored.key().seed == -3 && stored.key().source.as_str() == "a"));
}

#[test]
fn a_column_whose_budget_the_task_does_not_have_is_refused_before_anything_is_sent() {
    let recorder = Recorder::default();
    let server = recorder.serve(None);
    let table = file(".csv", &table(2).replace("acc_200", "acc_100"));
    let output = import(server.addr, &table, &["--budgets", "acc_12,acc_100"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(lines(&output.stderr)[0].contains("\"acc_100\" is of 100 epochs"), "{output:?}");
    assert!(recorder.stored().is_empty());
    let output = import(server.addr, &table, &["--target", "acc_100", "--budget", "200"]);
    assert_eq!(counts(&output), [2, 2, 0, 0, 0]);
}

#[test]
fn what_is_exported_can_be_imported_elsewhere_to_the_last_digit() {
    let here = Recorder::default();
    let server = here.serve(None);
    import(server.addr, &file(".csv", &table(20)), &COLUMNS);
    let cell = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|";
    let observe =
        ["observe", "--server", &server.addr.to_string(), "--budget", "12", "--seed", "9007199254740993"];
    let infeasible = ["--infeasible", "out of memory", "--source", "b", cell];
    let output = tagates(&[&observe[..], &TASK, &infeasible].concat(), "");
    assert_eq!(lines(&output.stdout), ["{\"outcome\":\"new\",\"sequence\":41}"], "{output:?}");
    let repeats = ["--value", "55.5", "--repeats", "3", "--standard-deviation", "0.1", "--source", "b", cell];
    let output = tagates(&[&observe[..], &TASK, &repeats].concat(), "");
    assert_eq!(output.status.code(), Some(1), "another measurement of the same key: {output:?}");
    assert!(lines(&output.stdout)[0].starts_with("{\"outcome\":\"conflict\",\"sequence\":41"), "{output:?}");
    let repeats = ["--value", "55.5", "--repeats", "3", "--standard-deviation", "0.1", "--source", "c", cell];
    tagates(&[&observe[..], &TASK, &repeats].concat(), "");

    let export = ["export", "--server", &server.addr.to_string()];
    let export = tagates(&[&export[..], &TASK].concat(), "");
    assert_eq!(lines(&export.stdout).len(), 42);
    let exported = file(".jsonl", &String::from_utf8(export.stdout).expect("UTF-8"));
    let there = Recorder::default();
    let output = import(there.serve(None).addr, &exported, &["--strict"]);
    assert_eq!((output.status.code(), counts(&output)), (Some(0), [42, 42, 0, 0, 0]), "{output:?}");
    assert_eq!(there.stored(), here.stored());
}

#[test]
fn a_batch_whose_answer_is_lost_is_sent_again_and_stored_once() {
    let (recorder, table) = (Recorder::default(), file(".csv", &table(700)));
    let server = recorder.serve(None);
    recorder.lose_answers(3);
    let output = import(server.addr, &table, &COLUMNS);
    assert_eq!((output.status.code(), counts(&output)), (Some(0), [700, 400, 1_000, 0, 0]));
    assert_eq!(recorder.stored().len(), 1_400);
}

#[test]
fn a_server_that_does_not_come_back_ends_the_import_with_what_was_acknowledged() {
    let (recorder, table) = (Recorder::default(), file(".csv", &table(20)));
    let server = recorder.serve(None);
    recorder.lose_answers(1_000_000);
    let output = import(server.addr, &table, &[&COLUMNS[..], &["--retry-for-s", "0"]].concat());
    assert_eq!((output.status.code(), counts(&output)[1]), (Some(1), 0));
    assert!(
        lines(&output.stderr).last().expect("an error").contains("Unavailable: answer lost"),
        "{output:?}"
    );
}

#[test]
fn a_server_that_is_killed_again_and_again_costs_no_observation_and_doubles_none() {
    let (recorder, table) = (Recorder::default(), file(".csv", &table(15_000)));
    let mut server = recorder.serve(None);
    let addr = server.addr;
    let importing = thread::spawn(move || import(addr, &table, &COLUMNS));
    for n_stored in (1..5).map(|n| n * 4_500) {
        while recorder.stored().len() < n_stored {
            assert!(!importing.is_finished(), "the import ended early");
            thread::yield_now();
        }
        server.kill();
        server = recorder.serve(Some(addr));
    }
    let output = importing.join().expect("no panic");
    let [rows, new, same, conflicts, invalid] = counts(&output);
    assert_eq!((output.status.code(), rows, new + same, conflicts, invalid), (Some(0), 15_000, 30_000, 0, 0));
    assert_eq!(recorder.stored().len(), 30_000);
}
