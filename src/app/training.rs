//! Retraining as part of a server, or as a process of its own.

use std::sync::Arc;
use std::time::Duration;

use candle_core::Device;
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::CancellationToken;

use crate::app::startup::is_transient;
use crate::background::Nudge;
use crate::retraining::{Config, Driver, OfSpace, Training};
use crate::space;
use crate::store::{self, Store};
use crate::zero_cost::Proxies;

/// Between two tries to reach a database that was not there.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Retrains from the moment the store is there until `stop`, unless the configuration leaves it to others.
pub(in crate::app) async fn train(
    config: Config,
    device: Device,
    proxies: Arc<Proxies>,
    mut store: watch::Receiver<Option<Store>>,
    nudge: Nudge,
    stop: CancellationToken,
) {
    if config.training == Training::Off {
        return stop.cancelled().await;
    }
    let opened = stop.run_until_cancelled(store.wait_for(Option::is_some)).await;
    let Some(store) = opened.and_then(|opened| opened.ok()?.clone()) else { return };
    warn_of_configurations(&store, &config.training_config).await;
    Driver::configured(store, &config, device, proxies).run(nudge, stop).await;
}

/// Only retrains, until `shutdown` completes: the GPU of another machine serves meanwhile. Waits for a
/// database that is not there yet.
///
/// # Errors
/// When the database, once there, cannot be used.
pub async fn work(
    config: &Config,
    device: Device,
    proxies: Arc<Proxies>,
    database: &store::Config,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let working = async {
        let opened = stop.run_until_cancelled(open(database)).await;
        if let Some(store) = opened.transpose()? {
            tracing::info!(%store, "training what is due");
            warn_of_configurations(&store, &config.training_config).await;
            Driver::configured(store, config, device, proxies).run(Nudge::default(), stop.clone()).await;
        }
        anyhow::Ok(())
    };
    let mut working = std::pin::pin!(working);
    tokio::select! {
        ended = &mut working => return ended,
        () = shutdown => {}
    }
    tracing::info!("stopping: a run under way is given back after its epoch");
    stop.cancel();
    working.await
}

/// Says which configurations are of no search space that is known as yet, or of one they do not fit: a run would fail,
/// or be trained with another.
async fn warn_of_configurations(store: &Store, of_spaces: &[OfSpace]) {
    for OfSpace { space: name, config } in of_spaces {
        let space = match space::builtin(name) {
            Some(space) => Ok(Some(space)),
            None => store.search_space_get(name).await,
        };
        match space {
            Ok(None) => tracing::warn!("no search space is called {name} as yet (--training-config)"),
            Ok(Some(space)) => {
                if let Err(error) = config.model.check_space(&space) {
                    tracing::warn!(
                        "predictors of {name} cannot be trained so (--training-config): model.{error}"
                    );
                }
            }
            Err(error) => {
                tracing::warn!(%error, "could not look for search space {name} (--training-config)");
            }
        }
    }
}

async fn open(config: &store::Config) -> anyhow::Result<Store> {
    loop {
        let opened = async {
            let store = Store::connect(config).await?;
            store.migrate(config.migrate).await?;
            anyhow::Ok(store)
        };
        match opened.await {
            Err(error) if is_transient(&error) => tracing::warn!("{error:#}, trying again"),
            opened => return opened,
        }
        time::sleep(RETRY_INTERVAL).await;
    }
}
