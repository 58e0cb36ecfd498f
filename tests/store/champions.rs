//! How champions come and go, and the history of it.

use tagates::domain::{ModelVersionId, Promotion, TaskName};
use tagates::store::{Error, NewVersion, Promoted, RolledBack, Store, VersionInserted};

use crate::database::Database;
use crate::made::{name, stored_task, two};

/// A version of the task with these bytes.
async fn version(store: &Store, task: &TaskName, bytes: &[u8]) -> ModelVersionId {
    let version = NewVersion { checkpoint: bytes.to_vec(), report: None, decision: None };
    match store.version_insert(task, &version).await.expect("an answer") {
        VersionInserted::New(version) | VersionInserted::Same(version) => version.id,
    }
}

async fn promote(
    store: &Store,
    task: &TaskName,
    expected: Option<&ModelVersionId>,
    to: &ModelVersionId,
) -> Promoted {
    store.champion_promote(task, expected, to, "me", "because").await.expect("an answer")
}

async fn roll_back(store: &Store, task: &TaskName, expected: &ModelVersionId) -> RolledBack {
    store.champion_rollback(task, expected, "me", "worse").await.expect("an answer")
}

async fn champion(store: &Store, task: &TaskName) -> Option<ModelVersionId> {
    store.champion_of(task).await.expect("an answer")
}

async fn history(store: &Store, task: &TaskName) -> Vec<Promotion> {
    store.promotions_page(task, None, 100).await.expect("a page")
}

async fn is_paused(store: &Store, task: &TaskName) -> bool {
    store.task_by_name(task).await.expect("an answer").expect("the task").promotion_paused_at.is_some()
}

pub async fn a_version_is_promoted_over_the_one_expected(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let (a, b) = (version(&store, &task, b"a").await, version(&store, &task, b"b").await);
    assert_eq!(promote(&store, &task, Some(&b), &a).await, Promoted::ChampionIs(None));
    let Promoted::Now(first) = promote(&store, &task, None, &a).await else { panic!("it is promoted") };
    assert_eq!((&first.from, &first.to, first.rolls_back), (&None, &a, None));
    assert_eq!((first.who.as_str(), first.why.as_str(), &first.task), ("me", "because", &task));
    assert_eq!(promote(&store, &task, None, &a).await, Promoted::Already, "the same call again");
    assert_eq!(promote(&store, &task, None, &b).await, Promoted::ChampionIs(Some(a.clone())));
    assert_eq!(
        promote(&store, &task, Some(&a), &ModelVersionId("none".to_owned())).await,
        Promoted::UnknownVersion
    );
    let Promoted::Now(second) = promote(&store, &task, Some(&a), &b).await else { panic!("it is promoted") };
    assert_eq!(history(&store, &task).await, [second.clone(), first.clone()]);
    assert_eq!(
        store.promotions_page(&task, None, 1).await.expect("a page"),
        history(&store, &task).await[..1]
    );
    assert_eq!(store.promotions_page(&task, Some(second.id), 9).await.expect("a page"), [first]);
    assert_eq!(champion(&store, &task).await, Some(b.clone()));
    assert!(store.version_by_id(&task, &b).await.expect("an answer").expect("a version").is_champion);
    assert!(!store.version_by_id(&task, &a).await.expect("an answer").expect("a version").is_champion);

    // A version of another task is none of this one.
    let other = stored_task(&store, "two").await.name;
    assert_eq!(promote(&store, &other, None, &a).await, Promoted::UnknownVersion);
    let unknown = store.champion_promote(&name("three"), None, &a, "", "").await;
    assert!(matches!(unknown, Err(Error::UnknownTask(_))), "{unknown:?}");
}

pub async fn of_two_that_promote_at_once_one_wins(database: Database) {
    let [store, other] = two(&database).await;
    let task = stored_task(&store, "one").await.name;
    let (a, b) = (version(&store, &task, b"a").await, version(&store, &task, b"b").await);
    let mut last = version(&store, &task, b"first").await;
    promote(&store, &task, None, &last).await;
    for _ in 0..10 {
        let first = last.clone();
        let (one, two) =
            tokio::join!(promote(&store, &task, Some(&first), &a), promote(&other, &task, Some(&first), &b));
        let (winner, loser) = match (one, two) {
            (Promoted::Now(won), Promoted::ChampionIs(found))
            | (Promoted::ChampionIs(found), Promoted::Now(won)) => (won.to, found),
            both => panic!("one wins: {both:?}"),
        };
        assert_eq!(loser.as_ref(), Some(&winner));
        assert_eq!(champion(&store, &task).await, Some(winner.clone()));
        last = version(&store, &task, b"first").await;
        assert!(matches!(promote(&store, &task, Some(&winner), &last).await, Promoted::Now(_)));
    }
    assert_eq!(history(&store, &task).await.len(), 21);
}

pub async fn a_rollback_leads_to_the_champion_before_and_pauses_promotion(database: Database) {
    let store = database.store().await;
    let task = stored_task(&store, "one").await.name;
    let seeded = ModelVersionId("seeded".to_owned());
    store.champion_seed(&task, &seeded, b"seed").await.expect("a seed");
    let (a, b) = (version(&store, &task, b"a").await, version(&store, &task, b"b").await);
    promote(&store, &task, Some(&seeded), &a).await;
    promote(&store, &task, Some(&a), &b).await;
    assert!(!is_paused(&store, &task).await);

    assert_eq!(roll_back(&store, &task, &a).await, RolledBack::ChampionIs(Some(b.clone())));
    assert!(!is_paused(&store, &task).await);
    let RolledBack::To(undoing) = roll_back(&store, &task, &b).await else { panic!("it is rolled back") };
    assert_eq!((undoing.from.as_ref(), &undoing.to), (Some(&b), &a));
    assert_eq!(undoing.rolls_back, Some(history(&store, &task).await[1].id));
    assert_eq!(champion(&store, &task).await, Some(a.clone()));
    assert!(is_paused(&store, &task).await);
    assert_eq!(roll_back(&store, &task, &b).await, RolledBack::To(undoing), "the same call again");
    assert_eq!(history(&store, &task).await.len(), 4);

    // Rolled back again, it does not lead back to what was rolled back.
    let RolledBack::To(undoing) = roll_back(&store, &task, &a).await else { panic!("it is rolled back") };
    assert_eq!(undoing.to, seeded);
    assert_eq!(roll_back(&store, &task, &seeded).await, RolledBack::NoPrevious);

    // By hand anything can be promoted, which resumes nothing.
    assert!(matches!(promote(&store, &task, Some(&seeded), &b).await, Promoted::Now(_)));
    assert!(is_paused(&store, &task).await);
    let resumed = store.promotion_resume(&task).await.expect("an answer").expect("the task");
    assert_eq!(resumed.promotion_paused_at, None);
    assert!(store.promotion_resume(&name("two")).await.expect("an answer").is_none());
    let RolledBack::To(undoing) = roll_back(&store, &task, &b).await else { panic!("it is rolled back") };
    assert_eq!(undoing.to, seeded);
}

pub async fn of_two_that_roll_back_at_once_both_see_one_rollback(database: Database) {
    let [store, other] = two(&database).await;
    let task = stored_task(&store, "one").await.name;
    let (a, b) = (version(&store, &task, b"a").await, version(&store, &task, b"b").await);
    promote(&store, &task, None, &a).await;
    promote(&store, &task, Some(&a), &b).await;
    let (one, two) = tokio::join!(roll_back(&store, &task, &b), roll_back(&other, &task, &b));
    assert!(matches!(&one, RolledBack::To(promotion) if promotion.to == a), "{one:?}");
    assert_eq!(one, two);
    assert_eq!(history(&store, &task).await.len(), 3);
}
