//! What `ObservationService` answers.

use tagates::pb::observation::Outcome as Measured;
use tagates::pb::observation_service_client::ObservationServiceClient;
use tagates::pb::record_result::Outcome;
use tagates::pb::{self, Architecture, ObservationFilter};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_types::{RpcStatusExt, StatusExt};

use crate::app::{TestApp, sample};
use crate::tasks;

pub const TASK: &str = "nasbench201-cifar10";

pub fn service(app: &TestApp) -> ObservationServiceClient<Channel> {
    ObservationServiceClient::new(app.channel.clone())
}

fn observation(architecture: &Architecture, value: f64) -> pb::Observation {
    pb::Observation {
        task: TASK.into(),
        architecture: Some(architecture.clone()),
        budget: Some(200),
        outcome: Some(Measured::Value(value)),
        ..pb::Observation::default()
    }
}

/// Observations of different architectures.
pub fn observations(n: usize) -> Vec<pb::Observation> {
    let cells = tagates::space::nasbench201().enumerate().expect("a finite space").take(n);
    cells.map(|cell| observation(&Architecture::from_text(cell.text()), 90.0)).collect()
}

pub async fn record(app: &TestApp, observations: Vec<pb::Observation>) -> Result<Vec<Outcome>, Status> {
    let request = pb::RecordObservationsRequest { observations };
    let results = service(app).record_observations(request).await?.into_inner().results;
    Ok(results.into_iter().map(|result| result.outcome.expect("always set")).collect())
}

/// Pages of 2 until the last.
pub async fn list(
    app: &TestApp,
    filter: ObservationFilter,
    with_retracted: bool,
) -> Vec<pb::StoredObservation> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListObservationsRequest {
            task: TASK.into(),
            filter: Some(filter.clone()),
            with_retracted,
            page_size: 2,
            page_token,
        };
        let page = service(app).list_observations(request).await.expect("a page").into_inner();
        assert!(page.observations.len() <= 2);
        all.extend(page.observations);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

fn sequences(observations: &[pb::StoredObservation]) -> Vec<i64> {
    observations.iter().map(|stored| stored.sequence).collect()
}

async fn retract(app: &TestApp, filter: ObservationFilter) -> Result<pb::Retraction, Status> {
    let request = pb::RetractObservationsRequest {
        task: TASK.into(),
        filter: Some(filter),
        reason: "the wrong cluster".into(),
    };
    let reply = service(app).retract_observations(request).await?.into_inner();
    Ok(reply.retraction.expect("always set"))
}

async fn undo(app: &TestApp, sequence: i64) -> Result<pb::UndoRetractionResponse, Status> {
    let request = pb::UndoRetractionRequest { task: TASK.into(), sequence };
    service(app).undo_retraction(request).await.map(Response::into_inner)
}

fn numbered(sequences: &[i64]) -> ObservationFilter {
    ObservationFilter { sequences: sequences.to_vec(), ..Default::default() }
}

#[tokio::test]
async fn the_same_again_changes_nothing_and_another_value_is_a_conflict_that_names_both() {
    let app = TestApp::spawn().await;
    let cell = sample(1).remove(0);
    let first = record(&app, vec![observation(&cell, 91.5), observation(&cell, 91.5)]).await.expect("stored");
    assert_eq!(first, [Outcome::NewSequence(1), Outcome::SameSequence(1)]);
    let second = record(&app, vec![observation(&cell, 92.5)]).await.expect("an answer");
    let Outcome::Conflict(conflict) = &second[0] else { panic!("a conflict, not {second:?}") };
    assert_eq!(conflict.sequence, 1);
    assert!(conflict.message.contains("91.5") && conflict.message.contains("92.5"), "{conflict:?}");
    let stored = list(&app, ObservationFilter::default(), true).await;
    assert_eq!(sequences(&stored), [1]);
    assert_eq!(stored[0].observation, Some(observation(&cell, 91.5)));
}

#[tokio::test]
async fn items_of_several_tasks_succeed_and_fail_alone_in_their_order() {
    let app = TestApp::spawn().await;
    tasks::create(&app, tasks::task("other"), "").await.expect("a new task");
    let good = observations(6);
    let of_task = |index: usize, task: &str| pb::Observation { task: task.into(), ..good[index].clone() };
    let fraction = pb::Observation { outcome: Some(Measured::Value(0.93)), ..good[3].clone() };
    let batch = vec![
        good[0].clone(),
        of_task(1, "other"),
        of_task(2, "nobody"),
        fraction,
        of_task(4, "No Name"),
        good[5].clone(),
    ];
    let outcomes = record(&app, batch).await.expect("an answer");
    assert_eq!(outcomes[0], Outcome::NewSequence(1));
    assert_eq!(outcomes[1], Outcome::NewSequence(1));
    assert_eq!(outcomes[5], Outcome::NewSequence(2));
    let expected = [
        (2, Code::NotFound, "observations[2].task", "not known"),
        (3, Code::InvalidArgument, "observations[3].value", "is this a fraction, not a percent?"),
        (4, Code::InvalidArgument, "observations[4].task", "no task name"),
    ];
    for (index, code, field, reason) in expected {
        let Outcome::Error(error) = &outcomes[index] else { panic!("an error, not {:?}", outcomes[index]) };
        assert_eq!(error.code, i32::from(code));
        let violation = error.get_details_bad_request().expect("which field").field_violations.remove(0);
        assert_eq!(violation.field, field);
        assert!(error.message.starts_with(field) && error.message.contains(reason), "{error:?}");
    }
}

#[tokio::test]
async fn an_archived_task_refuses_each_item() {
    let app = TestApp::spawn().await;
    tasks::create(&app, tasks::task("other"), "").await.expect("a new task");
    let mut client = pb::task_service_client::TaskServiceClient::new(app.channel.clone());
    client.archive_task(pb::ArchiveTaskRequest { name: "other".into() }).await.expect("archived");
    let mut batch = observations(2);
    batch[1].task = "other".into();
    let outcomes = record(&app, batch).await.expect("an answer");
    assert_eq!(outcomes[0], Outcome::NewSequence(1));
    let Outcome::Error(error) = &outcomes[1] else { panic!("an error") };
    assert_eq!(error.code, i32::from(Code::FailedPrecondition));
    assert_eq!(error.get_details_precondition_failure().expect("which").violations[0].subject, "tasks/other");
}

#[tokio::test]
async fn a_call_has_1_to_4_096_observations() {
    let app = TestApp::spawn().await;
    for n in [0, 4_097] {
        let status = record(&app, observations(n)).await.expect_err("too few or too many");
        assert_eq!(
            status.get_details_bad_request().expect("which").field_violations[0].field,
            "observations"
        );
    }
    assert_eq!(record(&app, observations(4_096)).await.expect("an answer").len(), 4_096);
}

#[tokio::test]
async fn an_imported_stream_is_counted_and_its_failures_have_the_index_of_the_stream() {
    let app = TestApp::spawn().await;
    let mut all = observations(250);
    record(&app, vec![all[7].clone()]).await.expect("stored");
    all[120].budget = Some(13);
    all[249] = observation(all[7].architecture.as_ref().expect("set"), 12.5);
    let messages: Vec<_> =
        all.chunks(100).map(|chunk| pb::ImportObservationsRequest { observations: chunk.to_vec() }).collect();
    let reply = service(&app).import_observations(tokio_stream::iter(messages)).await;
    let reply = reply.expect("an answer").into_inner();
    assert_eq!((reply.n_new, reply.n_same, reply.n_conflicts, reply.n_invalid), (247, 1, 1, 1));
    assert_eq!(reply.failures.iter().map(|failure| failure.index).collect::<Vec<_>>(), [120, 249]);
    let Some(pb::import_failure::Reason::Error(error)) = &reply.failures[0].reason else {
        panic!("an error")
    };
    assert!(error.message.starts_with("observations[120].budget"), "{error:?}");
}

#[tokio::test]
async fn observations_are_listed_by_number_source_and_time() {
    let app = TestApp::spawn().await;
    let mut all = observations(5);
    all[3].source = "cluster".into();
    record(&app, all).await.expect("stored");
    let stored = list(&app, ObservationFilter::default(), false).await;
    assert_eq!(sequences(&stored), [1, 2, 3, 4, 5]);
    assert_eq!(sequences(&list(&app, numbered(&[5, 2, 99]), false).await), [2, 5]);
    let of_source = |source: &str| ObservationFilter { source: Some(source.into()), ..Default::default() };
    assert_eq!(sequences(&list(&app, of_source("cluster"), false).await), [4]);
    assert_eq!(sequences(&list(&app, of_source(""), false).await), [1, 2, 3, 5]);
    let recorded_at = stored[0].recorded_at;
    let from = ObservationFilter { recorded_from: recorded_at, ..Default::default() };
    assert_eq!(list(&app, from, false).await.len(), 5);
    let before = ObservationFilter { recorded_before: recorded_at, ..Default::default() };
    assert_eq!(list(&app, before, false).await.len(), 0);
}

#[tokio::test]
async fn what_is_retracted_is_gone_until_it_is_undone_under_new_numbers() {
    let app = TestApp::spawn().await;
    record(&app, observations(3)).await.expect("stored");
    let retraction = retract(&app, numbered(&[1, 3])).await.expect("a retraction");
    assert_eq!((retraction.n_observations, retraction.reason.as_str()), (2, "the wrong cluster"));
    assert_eq!(sequences(&list(&app, ObservationFilter::default(), false).await), [2]);
    let with_retracted = list(&app, ObservationFilter::default(), true).await;
    let tombstones: Vec<_> = with_retracted.iter().map(|stored| stored.retracted_by).collect();
    let by = Some(retraction.sequence);
    assert_eq!((sequences(&with_retracted), tombstones), (vec![1, 2, 3], vec![by, None, by]));

    // In the place of the third, another value is recorded: it stays.
    let mut other = observations(3).remove(2);
    other.outcome = Some(Measured::Value(50.0));
    let taken = record(&app, vec![other]).await.expect("stored");
    let Outcome::NewSequence(taken) = taken[0] else { panic!("its place is free, not {taken:?}") };

    let undone = undo(&app, retraction.sequence).await.expect("undone");
    assert_eq!((undone.n_new, undone.n_same, undone.n_conflicts), (1, 0, 1));
    assert_eq!((undone.conflicts[0].retracted_sequence, undone.conflicts[0].stored_sequence), (3, taken));
    assert!(undone.retraction.expect("always set").undone_at.is_some());
    assert_eq!(list(&app, ObservationFilter::default(), false).await.len(), 3);
    let again = undo(&app, retraction.sequence).await.expect("undone before");
    assert_eq!((again.n_new, again.n_same, again.n_conflicts), (0, 0, 0));

    let request = pb::ListRetractionsRequest { task: TASK.into(), ..Default::default() };
    let listed = service(&app).list_retractions(request).await.expect("a page").into_inner().retractions;
    assert_eq!(
        listed.iter().map(|retraction| retraction.sequence).collect::<Vec<_>>(),
        [retraction.sequence]
    );
}

#[tokio::test]
async fn a_retraction_without_a_condition_and_one_that_does_not_exist_are_refused() {
    let app = TestApp::spawn().await;
    let status = retract(&app, ObservationFilter::default()).await.expect_err("no condition");
    assert_eq!(status.get_details_bad_request().expect("which field").field_violations[0].field, "filter");
    let status = undo(&app, 77).await.expect_err("no such retraction");
    assert_eq!(status.code(), Code::NotFound);
    let request = pb::ListObservationsRequest { task: "nobody".into(), ..Default::default() };
    let status = service(&app).list_observations(request).await.expect_err("no such task");
    assert_eq!(status.code(), Code::NotFound);
    let request =
        pb::ListObservationsRequest { task: TASK.into(), page_token: "x".into(), ..Default::default() };
    let status = service(&app).list_observations(request).await.expect_err("no token");
    assert_eq!(
        status.get_details_bad_request().expect("which field").field_violations[0].field,
        "page_token"
    );
}
