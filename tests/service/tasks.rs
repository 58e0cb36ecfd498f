//! What `TaskService` answers.

use tagates::pb::task_service_client::TaskServiceClient;
use tagates::pb::{self, Goal, Unit};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::app::TestApp;

pub fn tasks(app: &TestApp) -> TaskServiceClient<Channel> {
    TaskServiceClient::new(app.channel.clone())
}

/// A task with nothing left out that must be given.
pub fn task(name: &str) -> pb::Task {
    pb::Task {
        name: name.into(),
        search_space: "nasbench201".into(),
        dataset: "cifar100".into(),
        metric: "test_accuracy".into(),
        goal: Goal::Maximize.into(),
        unit: Unit::Percent.into(),
        budgets: vec![12, 200],
        ..pb::Task::default()
    }
}

/// Creates a task under a request id, which may be empty.
pub async fn create(app: &TestApp, task: pb::Task, request_id: &str) -> Result<pb::Task, Status> {
    let request = pb::CreateTaskRequest { task: Some(task), request_id: request_id.into() };
    let reply = tasks(app).create_task(request).await?.into_inner();
    Ok(reply.task.expect("always set"))
}

pub async fn get(app: &TestApp, name: &str) -> Result<pb::Task, Status> {
    let reply = tasks(app).get_task(pb::GetTaskRequest { name: name.into() }).await?.into_inner();
    Ok(reply.task.expect("always set"))
}

async fn names(app: &TestApp, with_archived: bool) -> Vec<String> {
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListTasksRequest { page_size: 2, page_token, with_archived };
        let page = tasks(app).list_tasks(request).await.expect("a page").into_inner();
        assert!(page.tasks.len() <= 2);
        names.extend(page.tasks.into_iter().map(|task| task.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return names;
        }
    }
}

pub fn field(status: &Status) -> String {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    status.get_details_bad_request().expect("which field").field_violations.remove(0).field
}

#[tokio::test]
async fn the_built_in_task_is_there_from_the_start() {
    let app = TestApp::spawn().await;
    let task = get(&app, "nasbench201-cifar10").await.expect("the built-in task");
    assert_eq!((task.unit(), task.goal(), task.budgets), (Unit::Percent, Goal::Maximize, vec![12, 200]));
    assert!(task.created_at.is_some() && task.archived_at.is_none());
    assert_eq!(task.retraining_policy.and_then(|policy| policy.is_enabled), Some(true));
}

#[tokio::test]
async fn a_created_task_is_got_and_listed_with_its_defaults() {
    let app = TestApp::spawn().await;
    let created = create(&app, task("b"), "").await.expect("a new task");
    assert_eq!(created.valid_range, Some(pb::ValueRange { min: 0.0, max: 100.0 }));
    assert_eq!((created.holdout_share, created.holdout_salt.as_str()), (Some(0.2), "b/1"));
    assert_eq!(get(&app, "b").await.expect("a task"), created);
    for name in ["c", "a"] {
        create(&app, task(name), "").await.expect("a new task");
    }
    assert_eq!(names(&app, false).await, ["a", "b", "c", "nasbench201-cifar10"]);
}

#[tokio::test]
async fn a_name_is_given_once_but_a_request_may_be_sent_again() {
    let app = TestApp::spawn().await;
    let first = create(&app, task("a"), "request-1").await.expect("a new task");
    assert_eq!(create(&app, task("a"), "request-1").await.expect("the same task"), first);
    let taken = create(&app, task("a"), "").await.expect_err("the name is taken");
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert_eq!(taken.get_details_resource_info().expect("which resource").resource_name, "a");
    let reused = create(&app, task("b"), "request-1").await.expect_err("another body");
    assert_eq!(field(&reused), "request_id");
    assert_eq!(get(&app, "b").await.expect_err("not made").code(), Code::NotFound);
}

#[tokio::test]
async fn a_task_that_cannot_be_names_its_field() {
    let app = TestApp::spawn().await;
    let wrong = pb::Task { budgets: vec![200, 12], ..task("a") };
    assert_eq!(field(&create(&app, wrong, "").await.expect_err("budgets descend")), "task.budgets[1]");
    let wrong = pb::Task { unit: 99, ..task("a") };
    assert_eq!(field(&create(&app, wrong, "").await.expect_err("no unit")), "task.unit");
    let missing = tasks(&app).create_task(pb::CreateTaskRequest::default()).await.expect_err("no task");
    assert_eq!(field(&missing), "task.name");
    let unknown = get(&app, "nobody").await.expect_err("no such task");
    assert_eq!(unknown.code(), Code::NotFound);
    assert_eq!(unknown.get_details_resource_info().expect("which resource").resource_name, "nobody");
}

#[tokio::test]
async fn only_the_policy_can_be_changed_and_only_what_the_mask_names() {
    let app = TestApp::spawn().await;
    let before = create(&app, task("a"), "").await.expect("a new task");
    let update = async |policy, paths: &[&str]| {
        let task = Some(pb::Task { name: "a".into(), retraining_policy: Some(policy), ..Default::default() });
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        let request = pb::UpdateTaskRequest { task, update_mask: Some(prost_types::FieldMask { paths }) };
        tasks(&app).update_task(request).await.map(|reply| reply.into_inner().task.expect("always set"))
    };
    let policy =
        pb::RetrainingPolicy { cool_down_s: Some(5), min_observations: Some(7), ..Default::default() };
    let after = update(policy, &["retraining_policy.cool_down_s"]).await.expect("a change");
    let mut expected = before.retraining_policy.expect("a policy");
    expected.cool_down_s = Some(5);
    assert_eq!(after.retraining_policy, Some(expected));
    assert_eq!(get(&app, "a").await.expect("a task"), after);

    let immutable = update(policy, &["budgets"]).await.expect_err("immutable");
    assert_eq!(field(&immutable), "update_mask.paths[0]");
    let wrong = pb::RetrainingPolicy { min_new_share: Some(2.0), ..policy };
    let wrong = update(wrong, &["retraining_policy"]).await.expect_err("no share");
    assert_eq!(field(&wrong), "task.retraining_policy.min_new_share");
    assert_eq!(get(&app, "a").await.expect("a task"), after);
}

#[tokio::test]
async fn an_archived_task_can_be_read_and_is_listed_only_when_asked_for() {
    let app = TestApp::spawn().await;
    create(&app, task("a"), "").await.expect("a new task");
    let archive = async || tasks(&app).archive_task(pb::ArchiveTaskRequest { name: "a".into() }).await;
    let archived = archive().await.expect("archived").into_inner().task.expect("always set");
    assert!(archived.archived_at.is_some());
    let again = archive().await.expect("archived before").into_inner().task.expect("always set");
    assert_eq!(again, archived);
    assert_eq!(get(&app, "a").await.expect("a task"), archived);
    assert_eq!(names(&app, false).await, ["nasbench201-cifar10"]);
    assert_eq!(names(&app, true).await, ["a", "nasbench201-cifar10"]);
}
