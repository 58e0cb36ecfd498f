//! Stores what was measured, beside the calls that wait for it: whoever wanted it may have gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::space::{Architecture, Saliencies};
use crate::store::Store;
use crate::zero_cost::Measurer;

/// Results that may wait to be stored. Others are in memory only.
pub(in crate::serving) const CAPACITY: usize = 1_024;
/// Results that are stored in one transaction.
const MAX_BATCH: usize = 64;

/// What was measured of an architecture.
#[derive(Debug)]
pub(in crate::serving) struct Result {
    pub measurer: Arc<Measurer>,
    pub architecture: Architecture,
    pub saliencies: Arc<Saliencies>,
}

/// Stores results until nobody measures any more. One that cannot be stored is measured again some day.
pub(in crate::serving) async fn keep(
    mut results: mpsc::Receiver<Result>,
    store: watch::Receiver<Option<Store>>,
) {
    let mut batch = Vec::new();
    while results.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let Some(store) = store.borrow().clone() else {
            batch.clear();
            continue;
        };
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for Result { measurer, architecture, saliencies } in &batch {
            let group = groups.entry((measurer.origin(), &architecture.space().name)).or_default();
            group.push((architecture, &**saliencies));
        }
        for ((origin, _), measured) in groups {
            if let Err(error) = store.saliencies_insert(origin, &measured).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, n = measured.len(), "could not store saliencies");
            }
        }
        batch.clear();
    }
}
