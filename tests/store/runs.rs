//! Training runs: one unfinished at a time, claimed by one at a time, fenced, resumed, given up.

use std::time::Duration;

use tagates::domain::{
    Lease, ModelVersionId, Origin, Progress, RetrainingPolicy, RunId, RunState, Sequence, TaskName,
    TrainingRun,
};
use tagates::store::{
    ClaimedRun, Enqueued, Error, Fenced, Finish, Heartbeat, NewVersion, Promote, RequestKey, Store,
    TaskInserted,
};

use crate::database::Database;
use crate::made::{architectures, insert, name, observations, stored_task, two};

const LEASE: Duration = Duration::from_mins(1);
const MAX_ATTEMPTS: u32 = 3;

fn request(id: &str, body: u8) -> RequestKey {
    RequestKey { id: id.to_owned(), digest: [body; 32] }
}

async fn enqueue(store: &Store, task: &TaskName) -> TrainingRun {
    match store.run_enqueue(task, "requested", None).await.expect("an answer") {
        Enqueued::New(run) => run,
        other => panic!("the task has no unfinished run: {other:?}"),
    }
}

async fn claim(store: &Store) -> Option<ClaimedRun> {
    store.run_claim(LEASE, MAX_ATTEMPTS).await.expect("an answer")
}

/// A run of a new task that somebody works on.
async fn claimed(store: &Store) -> ClaimedRun {
    let task = stored_task(store, "one").await.name;
    enqueue(store, &task).await;
    claim(store).await.expect("a run")
}

async fn run(store: &Store, id: RunId) -> TrainingRun {
    store.run_by_id(id).await.expect("an answer").expect("a run")
}

/// Lets every lease run out.
async fn expire(database: &Database) {
    let expire = "UPDATE training_runs SET lease_expires_at = 1 WHERE state = 'running'";
    database.execute(expire).await.expect("a change");
}

async fn n_states(database: &Database) -> i64 {
    database.number("SELECT count(*) FROM training_run_states").await
}

fn version(bytes: &[u8]) -> NewVersion {
    let report = serde_json::json!({"holdout": {"tau": 0.1 + 0.2, "n": 7}});
    let decision = serde_json::json!({"keep": "no gain"});
    NewVersion { checkpoint: bytes.to_vec(), report: Some(report), decision: Some(decision) }
}

fn promote(expected: Option<&ModelVersionId>) -> Promote {
    Promote { expected: expected.cloned(), why: "better".to_owned() }
}

fn finished(finish: Finish) -> ModelVersionId {
    match finish {
        Finish::Finished(version) => version,
        other => panic!("the run is finished: {other:?}"),
    }
}

async fn finish(store: &Store, lease: &Lease, bytes: &[u8], promote: Option<&Promote>) -> Finish {
    store.run_finish(lease, &version(bytes), promote).await.expect("an answer")
}

const HELD: Fenced<Heartbeat> = Fenced::Held(Heartbeat { is_cancel_requested: false });

async fn beat(store: &Store, lease: &Lease) -> Fenced<Heartbeat> {
    store.run_heartbeat(lease, None, LEASE).await.expect("an answer")
}

async fn assert_lost(store: &Store, lease: &Lease) {
    let before = run(store, lease.run).await;
    assert_eq!(beat(store, lease).await, Fenced::Lost);
    let progress = Progress { epoch: 99, ..Progress::default() };
    let late = store.run_heartbeat(lease, Some(&progress), LEASE).await.expect("an answer");
    assert_eq!(late, Fenced::Lost);
    assert_eq!(store.run_state_store(lease, b"late").await.expect("an answer"), Fenced::Lost);
    assert_eq!(store.run_release(lease).await.expect("an answer"), Fenced::Lost);
    assert_eq!(store.run_fail(lease, "late", None).await.expect("an answer"), Fenced::Lost);
    assert_eq!(store.run_fail(lease, "late", Some(LEASE)).await.expect("an answer"), Fenced::Lost);
    assert_eq!(finish(store, lease, b"late", Some(&promote(None))).await, Finish::Lost);
    assert_eq!(run(store, lease.run).await, before);
    assert_eq!(store.versions_page(&before.task, None, 10).await.expect("a page"), []);
    assert_eq!(store.champion_of(&before.task).await.expect("an answer"), None);
}

pub async fn a_run_is_read_back_as_it_went_on(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await;
    insert(&store, &task, &observations(&task, &architectures(3))).await;
    let why = "20 new observations, 'naïve'";
    let queued = store.run_enqueue(&task.name, why, None).await.expect("an answer");
    let Enqueued::New(queued) = queued else { panic!("a new run: {queued:?}") };
    assert_eq!((queued.state, queued.why.as_str(), &queued.task), (RunState::Queued, why, &task.name));
    assert_eq!((queued.up_to, queued.started_at, queued.n_attempts), (None, None, 0));
    assert_eq!(run(&store, queued.id).await, queued);

    let ClaimedRun { run: running, lease, resume_state } = claim(&store).await.expect("a run");
    assert_eq!((running.state, running.up_to, resume_state), (RunState::Running, Some(Sequence(3)), None));
    assert_eq!(lease.run, queued.id);
    assert!(lease.token.len() == 32 && lease.token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{lease:?}");
    let held_for = running.lease_expires_at.expect("a lease").unix_micros
        - running.heartbeat_at.expect("a time").unix_micros;
    assert_eq!(held_for, 60_000_000);

    let progress = Progress {
        epoch: 3,
        n_epochs: 200,
        loss: Some(0.1 + 0.2),
        holdout_tau: Some(f64::NAN),
        seconds_left: None,
    };
    let held = store.run_heartbeat(&lease, Some(&progress), LEASE * 2).await.expect("an answer");
    assert_eq!(held, HELD);
    assert_eq!(beat(&store, &lease).await, HELD);
    let said = run(&store, lease.run).await;
    assert_eq!(said.progress, Some(Progress { holdout_tau: None, ..progress }), "kept by a beat without");

    // What came since is no part of what the run sees.
    insert(&store, &task, &observations(&task, &architectures(5)[3..])).await;
    let id = finished(finish(&store, &lease, b"checkpoint", None).await);
    let over = run(&store, lease.run).await;
    assert_eq!(
        (over.state, over.up_to, over.version),
        (RunState::Succeeded, Some(Sequence(3)), Some(id.clone()))
    );
    assert!(over.finished_at.expect("it is over") >= over.started_at.expect("it was started"));
    let made = store.version_by_id(&task.name, &id).await.expect("an answer").expect("a version");
    assert_eq!(
        (made.origin, made.run, made.trained_up_to),
        (Origin::Trained, Some(lease.run), Some(Sequence(3)))
    );
    let sent = version(b"checkpoint");
    assert_eq!((made.report, made.decision), (sent.report, sent.decision));
    assert!(made.is_kept && !made.is_champion);
    assert_eq!(store.run_by_id(RunId(lease.run.0 + 1)).await.expect("an answer"), None);
}

pub async fn a_task_has_one_unfinished_run(database: Database) {
    let [store, other] = two(&database).await;
    let task = stored_task(&store, "one").await.name;
    let sent: Vec<_> = (0..8)
        .map(|number| {
            let (store, task) = (if number % 2 == 0 { &store } else { &other }.clone(), task.clone());
            tokio::spawn(async move { store.run_enqueue(&task, "requested", None).await.expect("an answer") })
        })
        .collect();
    let mut new = Vec::new();
    for answer in sent {
        if let Enqueued::New(run) = answer.await.expect("no panic") {
            new.push(run);
        }
    }
    let [queued] = &new[..] else { panic!("one is queued: {new:?}") };
    let again = store.run_enqueue(&task, "requested", None).await.expect("an answer");
    assert_eq!(again, Enqueued::AlreadyUnfinished(queued.clone()));
    let insert = "INSERT INTO training_runs (task_id, why, not_before, created_at) SELECT task_id, '', 1, 1 FROM tasks";
    database.execute(insert).await.expect_err("there is one");

    let lease = claim(&store).await.expect("a run").lease;
    let again = store.run_enqueue(&task, "requested", None).await.expect("an answer");
    assert!(matches!(again, Enqueued::AlreadyUnfinished(run) if run.id == lease.run));
    finished(finish(&store, &lease, b"a", None).await);
    assert!(enqueue(&store, &task).await.id > lease.run);
    let unknown = store.run_enqueue(&name("two"), "requested", None).await;
    assert!(matches!(unknown, Err(Error::UnknownTask(_))), "{unknown:?}");
}

pub async fn the_same_request_is_the_same_run(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let send = async |task: &TaskName, id, body| {
        store.run_enqueue(task, "requested", Some(&request(id, body))).await.expect("an answer")
    };
    let Enqueued::New(first) = send(&task, "r", 1).await else { panic!("a new run") };
    assert_eq!(send(&task, "r", 1).await, Enqueued::New(first.clone()));
    assert_eq!(send(&task, "r", 2).await, Enqueued::RequestReused);
    assert_eq!(send(&task, "s", 1).await, Enqueued::AlreadyUnfinished(first.clone()));
    store.run_cancel(first.id).await.expect("an answer").expect("a run");
    let Enqueued::New(again) = send(&task, "r", 1).await else { panic!("the same run") };
    assert_eq!((again.id, again.state), (first.id, RunState::Cancelled));
    let Enqueued::New(next) = send(&task, "s", 1).await else { panic!("a new run") };
    assert!(next.id > first.id);

    let two = crate::made::task("two");
    let created = store
        .task_insert(&two, &RetrainingPolicy::default(), Some(&request("r", 1)))
        .await
        .expect("an answer");
    assert!(matches!(created, TaskInserted::RequestReused), "{created:?}");
}

pub async fn claims_at_once_never_give_one_run_twice(database: Database) {
    const N_RUNS: usize = 24;
    let [store, other] = two(&database).await;
    for number in 0..N_RUNS {
        let task = stored_task(&store, &format!("task-{number}")).await.name;
        enqueue(&store, &task).await;
    }
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let store = if number % 2 == 0 { store.clone() } else { other.clone() };
            tokio::spawn(async move {
                let mut leases = Vec::new();
                while let Some(claimed) = claim(&store).await {
                    leases.push(claimed.lease);
                }
                leases
            })
        })
        .collect();
    let mut leases = Vec::new();
    for worker in workers {
        leases.extend(worker.await.expect("no panic"));
    }
    assert_eq!(leases.len(), N_RUNS);
    for column in ["run_id", "lease_token"] {
        let n = database.number(&format!("SELECT count(DISTINCT {column}) FROM training_runs")).await;
        assert_eq!(n, 24);
    }
    for lease in &leases {
        assert_eq!(beat(&store, lease).await, HELD);
    }
}

pub async fn a_run_whose_lease_ran_out_is_claimed_once(database: Database) {
    let [store, other] = two(&database).await;
    let first = claimed(&store).await;
    expire(&database).await;
    let claims = (0..8).map(|number| {
        let store = if number % 2 == 0 { store.clone() } else { other.clone() };
        tokio::spawn(async move { claim(&store).await })
    });
    let mut again = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        again.extend(claim.await.expect("no panic"));
    }
    let [second] = &again[..] else { panic!("one claims it: {again:?}") };
    assert_eq!((second.run.id, second.run.n_attempts), (first.run.id, 1));
    assert_ne!(second.lease, first.lease);
    assert_eq!((second.run.up_to, second.run.started_at), (first.run.up_to, first.run.started_at));
}

pub async fn a_lease_that_was_lost_writes_nothing(database: Database) {
    let store = database.store().await;
    let first = claimed(&store).await;
    store.run_state_store(&first.lease, b"epoch 10").await.expect("an answer");
    expire(&database).await;
    let second = claim(&store).await.expect("a run");
    assert_lost(&store, &first.lease).await;
    let states = "SELECT count(*) FROM training_run_states WHERE length(bytes) = 8";
    assert_eq!(database.number(states).await, 1, "the late state was not stored");
    assert_lost(&store, &Lease { run: second.run.id, token: String::new() }).await;
    assert_lost(&store, &Lease { run: second.run.id, token: first.lease.token }).await;
    assert_eq!(beat(&store, &second.lease).await, HELD);
    let nowhere = Lease { run: RunId(9_999), token: second.lease.token };
    assert_eq!(beat(&store, &nowhere).await, Fenced::Lost);
    assert_eq!(finish(&store, &nowhere, b"a", None).await, Finish::Lost);
}

pub async fn a_lease_that_ran_out_is_held_until_somebody_claims_the_run(database: Database) {
    let store = database.store().await;
    let ClaimedRun { lease, .. } = claimed(&store).await;
    expire(&database).await;
    assert_eq!(beat(&store, &lease).await, HELD);
    assert_eq!(claim(&store).await, None);
}

pub async fn a_run_resumes_from_its_last_stored_state(database: Database) {
    let store = database.store().await;
    let first = claimed(&store).await;
    let bytes: Vec<u8> =
        (0..2_000_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for state in [&b"first"[..], b"", &bytes] {
        assert_eq!(store.run_state_store(&first.lease, state).await.expect("an answer"), Fenced::Held(()));
    }
    assert_eq!(n_states(&database).await, 1);
    expire(&database).await;
    let second = claim(&store).await.expect("a run");
    assert_eq!(second.resume_state.as_deref(), Some(&bytes[..]));
    assert_eq!((second.run.n_attempts, &second.run.errors[..]), (0, &[][..]));

    assert_eq!(store.run_release(&second.lease).await.expect("an answer"), Fenced::Held(RunState::Queued));
    assert_lost(&store, &second.lease).await;
    let third = claim(&store).await.expect("it is queued again");
    assert_eq!((third.resume_state, third.run.n_attempts), (second.resume_state, 0));
    finished(finish(&store, &third.lease, b"a", None).await);
    assert_eq!(n_states(&database).await, 0);
}

pub async fn only_a_lease_lost_without_a_newer_state_is_an_attempt(database: Database) {
    let store = database.store().await;
    let mut last = claimed(&store).await;
    let mut n_attempts = 0;
    for stores_state in [true, false, true, true, false] {
        if stores_state {
            store.run_state_store(&last.lease, b"state").await.expect("an answer");
        } else {
            n_attempts += 1;
        }
        expire(&database).await;
        last = claim(&store).await.expect("a run");
        assert_eq!(last.run.n_attempts, n_attempts);
        assert_eq!(last.run.errors.len(), n_attempts as usize);
    }
    expire(&database).await;
    assert_eq!(claim(&store).await, None, "a run that always dies does not loop");
    let dead = run(&store, last.run.id).await;
    assert_eq!((dead.state, dead.n_attempts, dead.errors.len()), (RunState::Failed, MAX_ATTEMPTS, 3));
    assert!(dead.errors[2].message.contains("lease ran out"), "{:?}", dead.errors);
    assert!(dead.errors[2].at.unix_micros > 1_577_836_800_000_000);
    assert_eq!(n_states(&database).await, 0);
    assert_lost(&store, &last.lease).await;
    enqueue(&store, &dead.task).await;
}

pub async fn a_failed_run_backs_off_and_then_is_dead(database: Database) {
    let store = database.store().await;
    let first = claimed(&store).await;
    store.run_state_store(&first.lease, b"state").await.expect("an answer");
    let message = "could not open \0 'file'";
    let rest = Some(Duration::from_hours(1));
    let failed = store.run_fail(&first.lease, message, rest).await.expect("an answer");
    assert_eq!(failed, Fenced::Held(RunState::Queued));
    assert_lost(&store, &first.lease).await;
    assert_eq!(claim(&store).await, None, "it rests");
    let resting = run(&store, first.run.id).await;
    let now = store.now().await.expect("a time").unix_micros;
    let rests_for = resting.not_before.unix_micros - now;
    assert!((3_500_000_000..=3_600_000_000).contains(&rests_for), "{rests_for}");

    database.execute("UPDATE training_runs SET not_before = 1").await.expect("a change");
    let second = claim(&store).await.expect("it has rested");
    assert_eq!((second.run.n_attempts, second.resume_state.as_deref()), (1, Some(&b"state"[..])));
    let failed = store.run_fail(&second.lease, "again", None).await.expect("an answer");
    assert_eq!(failed, Fenced::Held(RunState::Failed));
    let dead = run(&store, first.run.id).await;
    let messages: Vec<_> = dead.errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!((dead.n_attempts, &messages[..]), (2, &[message, "again"][..]));
    assert!(dead.finished_at.is_some());
    assert_eq!(claim(&store).await, None);
    assert_eq!(store.last_run_of(&dead.task).await.expect("an answer"), Some(dead));
    assert_eq!(n_states(&database).await, 0);
}

pub async fn a_run_is_cancelled(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let cancel = async |id| store.run_cancel(id).await.expect("an answer").expect("a run");
    // Nobody works on it.
    let queued = enqueue(&store, &task).await;
    let cancelled = cancel(queued.id).await;
    assert_eq!(cancelled.state, RunState::Cancelled);
    assert!(cancelled.finished_at.is_some() && cancelled.started_at.is_none());
    assert_eq!(cancel(queued.id).await, cancelled);
    assert_eq!(claim(&store).await, None);

    // Somebody does, and learns of it.
    enqueue(&store, &task).await;
    let lease = claim(&store).await.expect("a run").lease;
    store.run_state_store(&lease, b"state").await.expect("an answer");
    let asked = cancel(lease.run).await;
    assert_eq!((asked.state, asked.is_cancel_requested), (RunState::Running, true));
    assert_eq!(beat(&store, &lease).await, Fenced::Held(Heartbeat { is_cancel_requested: true }));
    assert_eq!(finish(&store, &lease, b"a", None).await, Finish::CancelRequested);
    assert_eq!(store.run_release(&lease).await.expect("an answer"), Fenced::Held(RunState::Cancelled));
    assert_eq!(n_states(&database).await, 0);
    assert_lost(&store, &lease).await;

    // It fails meanwhile.
    enqueue(&store, &task).await;
    let lease = claim(&store).await.expect("a run").lease;
    cancel(lease.run).await;
    let failed = store.run_fail(&lease, "stopped", Some(LEASE)).await.expect("an answer");
    assert_eq!(failed, Fenced::Held(RunState::Cancelled));
    assert_eq!(run(&store, lease.run).await.errors.len(), 1);

    // It is cancelled, then its lease runs out.
    enqueue(&store, &task).await;
    let lease = claim(&store).await.expect("a run").lease;
    cancel(lease.run).await;
    expire(&database).await;
    assert_eq!(claim(&store).await, None);
    assert_eq!(run(&store, lease.run).await.state, RunState::Cancelled);

    // Its lease runs out, then it is cancelled.
    enqueue(&store, &task).await;
    let lease = claim(&store).await.expect("a run").lease;
    expire(&database).await;
    assert_eq!(cancel(lease.run).await.state, RunState::Cancelled);
    assert_lost(&store, &lease).await;

    // It has succeeded.
    enqueue(&store, &task).await;
    let lease = claim(&store).await.expect("a run").lease;
    finished(finish(&store, &lease, b"a", None).await);
    assert_eq!(cancel(lease.run).await.state, RunState::Succeeded);
    assert_eq!(store.run_cancel(RunId(9_999)).await.expect("an answer"), None);
}

pub async fn archiving_a_task_cancels_its_run(database: Database) {
    let store = database.store().await;
    let queued = enqueue(&store, &stored_task(&store, "one").await.name).await;
    let other = enqueue(&store, &stored_task(&store, "two").await.name).await;
    store.task_archive(&queued.task).await.expect("an answer").expect("the task");
    assert_eq!(run(&store, queued.id).await.state, RunState::Cancelled);
    let refused = store.run_enqueue(&queued.task, "requested", None).await;
    assert!(matches!(refused, Err(Error::Archived(_))), "{refused:?}");

    let lease = claim(&store).await.expect("a run").lease;
    assert_eq!(lease.run, other.id);
    store.task_archive(&other.task).await.expect("an answer").expect("the task");
    assert_eq!(beat(&store, &lease).await, Fenced::Held(Heartbeat { is_cancel_requested: true }));
}

pub async fn a_run_makes_one_version(database: Database) {
    let store = database.store().await;
    let ClaimedRun { run: running, lease, .. } = claimed(&store).await;
    let id = finished(finish(&store, &lease, b"a", Some(&promote(None))).await);
    assert_eq!(finished(finish(&store, &lease, b"a", Some(&promote(None))).await), id, "the same call again");
    assert_eq!(finish(&store, &lease, b"b", Some(&promote(Some(&id)))).await, Finish::Lost);
    assert_eq!(database.number("SELECT count(*) FROM model_versions").await, 1);
    assert_eq!(database.number("SELECT count(*) FROM promotions").await, 1);
    let second = "INSERT INTO model_versions (task_id, version, digest, created_at, origin, run_id)
                  SELECT task_id, 'second', digest, created_at, origin, run_id FROM model_versions";
    database.execute(second).await.expect_err("the run made one");
    assert_eq!(store.champion_of(&running.task).await.expect("an answer"), Some(id.clone()));
    let bytes = store.checkpoint_of(&running.task, &id).await.expect("an answer");
    assert_eq!(bytes.as_deref(), Some(&b"a"[..]));
    let history = store.promotions_page(&running.task, None, 10).await.expect("a page");
    assert_eq!((&history[0].from, &history[0].to), (&None, &id));
    assert_eq!(
        (history[0].who.as_str(), history[0].why.as_str()),
        (format!("run {}", lease.run).as_str(), "better")
    );

    // Another run may come to the same checkpoint.
    enqueue(&store, &running.task).await;
    let lease = claim(&store).await.expect("a run").lease;
    assert_eq!(finished(finish(&store, &lease, b"a", Some(&promote(Some(&id)))).await), id);
    assert_eq!(run(&store, lease.run).await.version, Some(id.clone()));
    let made = store.version_by_id(&running.task, &id).await.expect("an answer").expect("a version");
    assert_eq!(made.run, Some(running.id));
    assert_eq!(database.number("SELECT count(*) FROM promotions").await, 1);
}

pub async fn a_run_promotes_only_over_the_champion_it_expected(database: Database) {
    let store = database.store().await;
    let ClaimedRun { run: running, lease, .. } = claimed(&store).await;
    let task = &running.task;
    let seeded = ModelVersionId("aaaa".to_owned());
    store.champion_seed(task, &seeded, b"seed").await.expect("a seed");
    let changed = finish(&store, &lease, b"a", Some(&promote(None))).await;
    assert_eq!(changed, Finish::ChampionChanged(Some(seeded.clone())));
    assert_eq!(database.number("SELECT count(*) FROM model_versions").await, 1, "nothing was written");
    assert_eq!(beat(&store, &lease).await, HELD);
    let id = finished(finish(&store, &lease, b"a", Some(&promote(Some(&seeded)))).await);
    assert_eq!(store.champion_of(task).await.expect("an answer"), Some(id.clone()));

    store.champion_rollback(task, &id, "me", "worse").await.expect("an answer");
    enqueue(&store, task).await;
    let lease = claim(&store).await.expect("a run").lease;
    let paused = finish(&store, &lease, b"b", Some(&promote(Some(&seeded)))).await;
    assert_eq!(paused, Finish::PromotionPaused);
    let kept = finished(finish(&store, &lease, b"b", None).await);
    assert_eq!(store.champion_of(task).await.expect("an answer"), Some(seeded.clone()));
    assert!(store.version_by_id(task, &kept).await.expect("an answer").is_some());

    store.promotion_resume(task).await.expect("an answer").expect("the task");
    enqueue(&store, task).await;
    let lease = claim(&store).await.expect("a run").lease;
    let id = finished(finish(&store, &lease, b"c", Some(&promote(Some(&seeded)))).await);
    assert_eq!(store.champion_of(task).await.expect("an answer"), Some(id));
}

pub async fn runs_are_paged_from_the_newest(database: Database) {
    let store = database.store().await;
    let (one, two) = (stored_task(&store, "one").await.name, stored_task(&store, "two").await.name);
    assert_eq!(store.last_run_of(&one).await.expect("an answer"), None);
    let mut ids = Vec::new();
    for task in [&one, &two, &one, &one] {
        let queued = enqueue(&store, task).await;
        store.run_cancel(queued.id).await.expect("an answer").expect("a run");
        ids.push(queued.id);
    }
    ids.reverse();
    let page = async |task: Option<&TaskName>, after, limit| -> Vec<RunId> {
        let page = store.runs_page(task, after, limit).await.expect("a page");
        page.into_iter().map(|run| run.id).collect()
    };
    assert_eq!(page(None, None, 100).await, ids);
    assert_eq!(page(None, Some(ids[1]), 1).await, ids[2..3]);
    assert_eq!(page(Some(&one), None, 100).await, [ids[0], ids[1], ids[3]]);
    assert_eq!(page(Some(&one), Some(ids[1]), 100).await, [ids[3]]);
    assert_eq!(page(Some(&name("three")), None, 100).await, []);
    assert_eq!(store.last_run_of(&one).await.expect("an answer").map(|run| run.id), Some(ids[0]));
}

pub async fn a_run_that_cannot_be_read_is_an_error(database: Database) {
    let store = database.store().await;
    let ClaimedRun { lease, .. } = claimed(&store).await;
    for damage in ["errors = 'x'", "errors = '[]', progress = '{\"epoch\": -1}'"] {
        database.execute(&format!("UPDATE training_runs SET {damage}")).await.expect("a change");
        let read = store.run_by_id(lease.run).await;
        let Err(Error::Corrupt { what, .. }) = read else { panic!("it was read: {read:?}") };
        assert_eq!(what, format!("training run {}", lease.run));
    }
}

pub async fn the_schema_refuses_what_no_run_is(database: Database) {
    let store = database.store().await;
    claimed(&store).await;
    for damage in [
        "state = 'succeeded'",
        "state = 'waiting'",
        "lease_token = NULL",
        "lease_expires_at = NULL",
        "up_to = NULL",
        "version = 'none'",
        "finished_at = 1",
        "state = 'cancelled', finished_at = 1",
        "state = 'queued'",
        "n_attempts = -1",
    ] {
        let changed = database.execute(&format!("UPDATE training_runs SET {damage}")).await;
        assert!(changed.is_err(), "{damage}");
    }
}
