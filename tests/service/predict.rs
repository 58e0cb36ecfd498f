//! What `Predict` and `PredictAnytime` answer.

use std::collections::HashSet;

use tagates::pb::{self, Saliencies};
use tonic::Code;
use tonic_types::StatusExt;

use crate::app::{TestApp, sample};
use crate::checkpoints;

#[tokio::test]
async fn the_shipped_model_answers_with_accuracies_in_percent_when_given_nothing() {
    let app = TestApp::spawn().await;
    let reply = app.predict(sample(8)).await.expect("an answer");
    assert_eq!(reply.task, "nasbench201-cifar10");
    assert_eq!(reply.score_kind(), pb::ScoreKind::Metric);
    assert_eq!(reply.unit(), pb::Unit::Percent);
    assert_eq!(reply.model_version.len(), 16);
    assert!(reply.timings.is_some_and(|timings| timings.queue_ms >= 0.0 && timings.compute_ms > 0.0));
    assert_eq!(reply.results.len(), 8);
    for result in reply.results {
        let Some(pb::predict_result::Outcome::Prediction(prediction)) = result.outcome else {
            panic!("no prediction: {result:?}")
        };
        assert!((0.0..=100.0).contains(&prediction.score));
        assert_eq!(prediction.budget, Some(200));
    }
}

#[tokio::test]
async fn an_architecture_scores_the_same_alone_and_in_a_batch_to_the_last_bit() {
    let app = TestApp::spawn().await;
    let architectures = sample(300);
    let together = app.scores(&architectures).await;
    for index in [0, 1, 127, 128, 299] {
        let alone = app.scores(&architectures[index..=index]).await;
        assert_eq!(alone[0].to_bits(), together[index].to_bits(), "architecture {index}");
    }
    assert!(together.iter().map(|score| score.to_bits()).collect::<HashSet<_>>().len() > 200);
}

#[tokio::test]
async fn permuting_the_request_permutes_the_answer() {
    let app = TestApp::spawn().await;
    let mut architectures = sample(200);
    let mut scores = app.scores(&architectures).await;
    architectures.reverse();
    scores.reverse();
    assert_eq!(app.scores(&architectures).await, scores);
}

#[tokio::test]
async fn a_graph_scores_as_its_text_does() {
    let app = TestApp::spawn().await;
    let texts = sample(20);
    let graphs: Vec<_> = (tagates::space::nasbench201().sample(20, 7).iter())
        .map(|architecture| pb::Architecture {
            notation: Some(pb::architecture::Notation::Graph(architecture.into())),
            saliencies: None,
        })
        .collect();
    assert_eq!(app.scores(&graphs).await, app.scores(&texts).await);
}

#[tokio::test]
async fn anytime_scores_each_budget_and_ends_with_what_predict_says() {
    let checkpoint = checkpoints::with_budgets();
    let app = TestApp::spawn_with_checkpoint(checkpoint.path()).await;
    let architectures = sample(10);
    let request = pb::PredictAnytimeRequest { architectures: architectures.clone(), ..Default::default() };
    let reply = app.predictor().predict_anytime(request).await.expect("an answer").into_inner();
    let scores = app.scores(&architectures).await;
    for (result, score) in reply.results.into_iter().zip(scores) {
        let Some(pb::predict_anytime_result::Outcome::Prediction(prediction)) = result.outcome else {
            panic!("no prediction: {result:?}")
        };
        let budgets: Vec<_> = prediction.steps.iter().map(|step| step.budget).collect();
        assert_eq!(budgets, [Some(12), Some(200)]);
        assert_eq!(prediction.steps[1].score.to_bits(), score.to_bits());
    }
}

#[tokio::test]
async fn anytime_needs_a_model_with_steps() {
    let checkpoint = checkpoints::of_one_step();
    let app = TestApp::spawn_with_checkpoint(checkpoint.path()).await;
    let request = pb::PredictAnytimeRequest { architectures: sample(1), ..Default::default() };
    let status = app.predictor().predict_anytime(request).await.expect_err("a single score");
    assert_eq!(status.code(), Code::FailedPrecondition);
    let failure = status.get_details_precondition_failure().expect("which precondition");
    assert_eq!(failure.violations[0].r#type, "MODEL_HAS_STEPS");

    let reply = app.predict(sample(1)).await.expect("Predict works all the same");
    assert_eq!((reply.score_kind(), reply.unit()), (pb::ScoreKind::Rank, pb::Unit::Unspecified));
}

#[tokio::test]
async fn a_task_that_is_not_served_is_named() {
    let app = TestApp::spawn().await;
    let mut request = pb::PredictRequest { architectures: sample(1), ..Default::default() };
    request.task = "nasbench201-cifar10".into();
    app.predictor().predict(request.clone()).await.expect("the task that is served");

    request.task = "nasbench201-cifar100".into();
    let status = app.predictor().predict(request.clone()).await.expect_err("another task");
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("nasbench201-cifar100"), "{status:?}");
    assert_eq!(
        status.get_details_resource_info().expect("which resource").resource_name,
        "nasbench201-cifar100"
    );

    request.task = "No Name".into();
    let status = app.predictor().predict(request).await.expect_err("no name of a task");
    assert_eq!(status.get_details_bad_request().expect("which field").field_violations[0].field, "task");
}

#[tokio::test]
async fn a_pinned_model_version_answers_or_the_current_one_is_named() {
    let app = TestApp::spawn().await;
    let current = app.predict(sample(1)).await.expect("an answer").model_version;
    let mut request = pb::PredictRequest { architectures: sample(1), ..Default::default() };
    request.model_version.clone_from(&current);
    assert_eq!(
        app.predictor().predict(request.clone()).await.expect("an answer").into_inner().model_version,
        current
    );

    request.model_version = "0123456789abcdef".into();
    let status = app.predictor().predict(request).await.expect_err("a version that is not loaded");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains(&current) && status.message().contains("0123456789abcdef"),
        "{status:?}"
    );
    let failure = status.get_details_precondition_failure().expect("which precondition");
    assert_eq!(failure.violations[0].r#type, "MODEL_VERSION_LOADED");
}

#[tokio::test]
async fn saliencies_change_the_score_of_a_model_that_needs_them() {
    let checkpoint = checkpoints::needing_saliencies();
    let app = TestApp::spawn_with_checkpoint(checkpoint.path()).await;
    let with = |value: f64| {
        let mut architecture = sample(1).remove(0);
        architecture.saliencies = Some(Saliencies { n_metrics: 2, values: vec![value; 12] });
        architecture
    };
    let scores = app.scores(&[with(0.0), with(1.0)]).await;
    assert_ne!(scores[0].to_bits(), scores[1].to_bits());
}
