//! Architectures that cannot be scored: each fails alone and names its field.

use tagates::pb::{Architecture, Cell, Edge, Graph, PredictRequest, Saliencies, architecture::Notation};
use tonic::Code;
use tonic_types::RpcStatusExt;

use crate::app::{TestApp, sample, score};
use crate::checkpoints;

/// A complete cell of skips, changed.
fn graph(change: impl FnOnce(&mut Cell)) -> Architecture {
    let edge = |source, target| Edge { source, target, operation: "skip_connect".into() };
    let edges = vec![edge(0, 1), edge(0, 2), edge(1, 2), edge(0, 3), edge(1, 3), edge(2, 3)];
    let mut cell = Cell { n_nodes: 4, node_operations: vec![], edges };
    change(&mut cell);
    Architecture { notation: Some(Notation::Graph(Graph { cells: vec![cell] })), saliencies: None }
}

fn with_saliencies(n_metrics: u32, values: Vec<f64>) -> Architecture {
    Architecture { saliencies: Some(Saliencies { n_metrics, values }), ..sample(1).remove(0) }
}

/// Sends every architecture between two good ones, and returns what became of it: field and message.
async fn refusals(app: &TestApp, good: &Architecture, bad: Vec<Architecture>) -> Vec<(String, String)> {
    let expected = app.scores(std::slice::from_ref(good)).await[0];
    let mut refusals = Vec::new();
    for bad in bad {
        let reply = app.predict(vec![good.clone(), bad, good.clone()]).await.expect("the call succeeds");
        let mut outcomes = reply.results.into_iter().map(score);
        assert_eq!(outcomes.next().expect("three results"), Ok(expected));
        let error = outcomes.next().expect("three results").expect_err("a bad architecture");
        assert_eq!(outcomes.next().expect("three results"), Ok(expected));
        let is_missing = error.get_details_precondition_failure().is_some();
        let code = if is_missing { Code::FailedPrecondition } else { Code::InvalidArgument };
        assert_eq!(error.code, i32::from(code));
        let violation = error.get_details_bad_request().expect("which field").field_violations.remove(0);
        assert_eq!(error.message, format!("{}: {}", violation.field, violation.description));
        refusals.push((violation.field, violation.description));
    }
    refusals
}

#[tokio::test]
async fn each_bad_architecture_names_its_field_and_good_ones_beside_it_still_answer() {
    let app = TestApp::spawn().await;
    let mut values = vec![1.0; 12];
    values[7] = f64::NAN;
    let cases = [
        (Architecture::default(), "notation", "neither"),
        (Architecture::from_text(""), "text", "column 1"),
        (Architecture::from_text("|nor_conv_3x3~0|+|none~0|skip"), "text", "column"),
        (
            Architecture::from_text("|nor_conv_7x7~0|+|none~0|none~1|+|none~0|none~1|none~2|"),
            "text",
            "nor_conv_7x7",
        ),
        (Architecture::from_text("|none~1|+|none~0|none~1|+|none~0|none~1|none~2|"), "text", "column"),
        (
            graph(|cell| cell.edges[3].operation = "conv_9x9".into()),
            "graph.cells[0].edges[3].operation",
            "conv_9x9",
        ),
        (graph(|cell| cell.edges[3].operation.clear()), "graph.cells[0].edges[3].operation", "missing"),
        (graph(|cell| cell.edges[2].source = 3), "graph.cells[0].edges[2].source", "3"),
        (graph(|cell| cell.edges[2].target = u32::MAX), "graph.cells[0].edges[2].target", "4294967295"),
        (graph(|cell| cell.n_nodes = u32::MAX), "graph.cells[0].n_nodes", "4294967295"),
        (graph(|cell| drop(cell.edges.pop())), "graph.cells[0].edges", "5"),
        (with_saliencies(2, values), "saliencies.values[7]", "not a finite number"),
        (with_saliencies(2, vec![1e39; 12]), "saliencies.values[0]", "not a finite number of 32 bits"),
        (with_saliencies(0, vec![]), "saliencies.n_metrics", "at least 1"),
        (with_saliencies(5, vec![1.0; 12]), "saliencies.values", "12 values"),
    ];
    let bad = cases.iter().map(|(architecture, ..)| architecture.clone()).collect();
    let refusals = refusals(&app, &sample(1)[0], bad).await;
    for ((field, reason), (architecture, expected_field, expected_reason)) in refusals.into_iter().zip(cases)
    {
        assert_eq!(field, format!("architectures[1].{expected_field}"), "{architecture:?}");
        assert!(reason.contains(expected_reason), "{reason:?} lacks {expected_reason:?}");
    }
}

#[tokio::test]
async fn saliencies_that_a_model_needs_must_be_there_and_of_its_shape() {
    let checkpoint = checkpoints::needing_saliencies();
    let app = TestApp::spawn_with_checkpoint(checkpoint.path()).await;
    let good = with_saliencies(2, vec![1.0; 12]);
    let bad = vec![sample(1).remove(0), with_saliencies(3, vec![1.0; 18])];
    for (field, _) in refusals(&app, &good, bad).await {
        assert_eq!(field, "architectures[1].saliencies");
    }
    let alone = app.predict(sample(1)).await.expect("the call succeeds").results.remove(0);
    assert_eq!(score(alone).expect_err("no saliencies").code, i32::from(Code::FailedPrecondition));
}

#[tokio::test]
async fn a_model_version_is_not_echoed_at_any_length() {
    let app = TestApp::spawn().await;
    let request =
        PredictRequest { model_version: "x".repeat(100_000), architectures: sample(1), ..Default::default() };
    let status = app.predictor().predict(request).await.expect_err("no such version");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().len() < 300, "{} bytes", status.message().len());
}

#[tokio::test]
async fn a_call_of_bad_architectures_only_is_answered_too() {
    let app = TestApp::spawn().await;
    let reply = app.predict(vec![Architecture::default(); 3]).await.expect("the call succeeds");
    assert_eq!(reply.results.into_iter().map(score).filter(Result::is_err).count(), 3);
}

#[tokio::test]
async fn a_call_without_architectures_names_the_field() {
    use tonic_types::StatusExt;

    let app = TestApp::spawn().await;
    let status = app.predictor().predict(PredictRequest::default()).await.expect_err("nothing to score");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.get_details_bad_request().expect("which field").field_violations[0].field,
        "architectures"
    );
}
