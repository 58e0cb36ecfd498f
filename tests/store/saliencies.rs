//! What was measured of architectures before any training.

use std::slice;

use tagates::space::{self, Architecture, Saliencies, SaliencyOrigin};
use tagates::store::{Error, Store};

use crate::database::Database;
use crate::made::{architecture, architectures, two};

fn origin(digit: &str, seed: u64) -> SaliencyOrigin {
    SaliencyOrigin { proxy: "tiny".to_owned(), digest: digit.repeat(64), seed }
}

/// Two metrics for each operation, of which the first is `value`.
fn saliencies(architecture: &Architecture, value: f64) -> Saliencies {
    let rows = (0..architecture.n_places()).map(|place| vec![value, place as f64 / 3.0]);
    Saliencies::from_rows(&rows.collect::<Vec<_>>()).expect("finite")
}

async fn insert(store: &Store, origin: &SaliencyOrigin, measured: &[(Architecture, Saliencies)]) {
    let measured: Vec<_> = measured.iter().map(|(architecture, it)| (architecture, it)).collect();
    store.saliencies_insert(origin, &measured).await.expect("a store that answers");
}

async fn stored(
    store: &Store,
    origin: &SaliencyOrigin,
    architectures: &[Architecture],
) -> Vec<Option<Saliencies>> {
    store.saliencies_of(origin, architectures).await.expect("a store that answers")
}

pub async fn saliencies_are_read_back_as_they_were_measured(database: Database) {
    let store = database.store().await;
    let origin = origin("a", u64::MAX);
    let space = space::nasbench101();
    let [first, second, third] = &space.sample(3, 1)[..] else { panic!("three modules") };
    let odd = [0.1 + 0.2, -0.0, 5e-324, f64::from(f32::MAX), -1.0 / 3.0];
    let values = (0..first.n_places() * odd.len()).map(|index| odd[index % odd.len()]).collect();
    let measured = [
        (first.clone(), Saliencies::new(odd.len(), values).expect("finite")),
        (third.clone(), saliencies(third, 4.5)),
    ];
    insert(&store, &origin, &measured).await;
    insert(&store, &origin, &[]).await;
    let asked = [third.clone(), second.clone(), first.clone(), third.clone()];
    let [one, other] = [&measured[1].1, &measured[0].1].map(|it| Some(it.clone()));
    assert_eq!(stored(&store, &origin, &asked).await, [one.clone(), None, other, one]);
    assert_eq!(stored(&store, &origin, &[]).await, []);
}

pub async fn what_was_measured_first_stays(database: Database) {
    let store = database.store().await;
    let (origin, cell) = (origin("a", 0), architecture());
    let twice = [(cell.clone(), saliencies(&cell, 1.0)), (cell.clone(), saliencies(&cell, 1.0))];
    insert(&store, &origin, &twice).await;
    insert(&store, &origin, &[(cell.clone(), saliencies(&cell, 2.0))]).await;
    assert_eq!(stored(&store, &origin, slice::from_ref(&cell)).await, [Some(saliencies(&cell, 1.0))]);
}

pub async fn every_part_of_the_key_tells_saliencies_apart(database: Database) {
    let store = database.store().await;
    let cells = architectures(2);
    let origins = [origin("a", 0), origin("a", 1), origin("b", 0)];
    let value = |origin: usize, cell: usize| saliencies(&cells[cell], (10 * origin + cell) as f64);
    for (index, origin) in origins.iter().enumerate() {
        insert(&store, origin, &[0, 1].map(|cell| (cells[cell].clone(), value(index, cell)))).await;
    }
    for (index, origin) in origins.iter().enumerate() {
        assert_eq!(stored(&store, origin, &cells).await, [0, 1].map(|cell| Some(value(index, cell))));
    }
    assert_eq!(stored(&store, &origin("b", 1), &cells).await, [None, None]);
    // The name is only for people.
    let renamed = SaliencyOrigin { proxy: "of another name".to_owned(), ..origin("a", 0) };
    assert_eq!(stored(&store, &renamed, &cells).await, [0, 1].map(|cell| Some(value(0, cell))));
}

pub async fn more_than_a_statement_takes_are_kept(database: Database) {
    let store = database.store().await;
    let (origin, cells) = (origin("a", 0), architectures(1_200));
    let measured: Vec<_> = (cells.iter().enumerate())
        .map(|(index, cell)| (cell.clone(), saliencies(cell, index as f64)))
        .collect();
    insert(&store, &origin, &measured).await;
    let expected: Vec<_> = measured.into_iter().map(|(_, saliencies)| Some(saliencies)).collect();
    assert!(stored(&store, &origin, &cells).await == expected);
}

pub async fn two_that_store_the_same_at_once_both_can(database: Database) {
    let [one, other] = two(&database).await;
    let (origin, cells) = (origin("a", 0), architectures(50));
    let mut measured: Vec<_> = cells.iter().map(|cell| (cell.clone(), saliencies(cell, 1.0))).collect();
    let forwards = measured.clone();
    measured.reverse();
    tokio::join!(insert(&one, &origin, &forwards), insert(&other, &origin, &measured));
    assert!(stored(&one, &origin, &cells).await.iter().all(Option::is_some));
    assert_eq!(database.number("SELECT count(*) FROM saliencies").await, 50);
}

pub async fn a_row_of_another_shape_is_an_error(database: Database) {
    let store = database.store().await;
    let (origin, cell) = (origin("a", 0), architecture());
    insert(&store, &origin, &[(cell.clone(), saliencies(&cell, 1.0))]).await;
    for operations in ["[[1],[2]]", "[[1,2],[3]]", "[]", "{"] {
        database.execute(&format!("UPDATE saliencies SET operations = '{operations}'")).await.expect("a row");
        let unreadable = store.saliencies_of(&origin, slice::from_ref(&cell)).await;
        assert!(matches!(unreadable, Err(Error::Corrupt { .. })), "{unreadable:?}");
    }
}

pub async fn the_schema_refuses_what_no_saliencies_are(database: Database) {
    let store = database.store().await;
    let cell = architecture();
    insert(&store, &origin("a", 0), &[(cell.clone(), saliencies(&cell, 1.0))]).await;
    for change in ["proxy_digest = 'short'", "architecture_id = 77", "operations = NULL"] {
        database.execute(&format!("UPDATE saliencies SET {change}")).await.expect_err(change);
    }
}
