//! Follows a training run until it is final.

use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::time;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::domain::TrainingRun;
use crate::grpc::status;
use crate::store::Store;

/// Between two looks at the run. Whoever watches looks for themselves: a listener would be a connection to
/// PostgreSQL for each of them, and progress is no news that it tells.
const INTERVAL: Duration = Duration::from_millis(500);

/// The run as it is, then as it is each time that it has changed, its final state last. Fails with UNAVAILABLE once
/// `stop` is asked for, so that who watches does not keep the server from its end.
pub(in crate::grpc) fn follow(
    store: Store,
    run: TrainingRun,
    stop: CancellationToken,
) -> impl Stream<Item = Result<TrainingRun, Status>> {
    let watch = Watch { store, seen: run.clone(), stop };
    let changes =
        stream::try_unfold(watch, async |mut watch| Ok(watch.change().await?.map(|run| (run, watch))));
    stream::iter([Ok(run)]).chain(changes)
}

struct Watch {
    store: Store,
    seen: TrainingRun,
    stop: CancellationToken,
}

impl Watch {
    /// The run once it is not what was seen last; `None` when it is final.
    async fn change(&mut self) -> Result<Option<TrainingRun>, Status> {
        while !self.seen.state.is_final() {
            let waited = self.stop.run_until_cancelled(time::sleep(INTERVAL)).await;
            waited.ok_or_else(|| status::unavailable("service is stopping".to_owned()))?;
            let run = self.store.run_by_id(self.seen.id).await?;
            let run = run.ok_or_else(|| Status::data_loss("the run is gone"))?;
            if run != self.seen {
                self.seen = run.clone();
                return Ok(Some(run));
            }
        }
        Ok(None)
    }
}
