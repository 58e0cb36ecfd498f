//! The server put together: configuration, the rooms it is made of, start and stop.

mod config;
mod device;
mod imported;
pub mod shipped;
mod startup;
pub mod telemetry;
mod training;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower::util::MapRequestLayer;

pub use config::Config;
pub use device::DeviceConfig;
pub use training::work;

use crate::app::startup::{Startup, is_transient};
use crate::background::Nudge;
use crate::grpc::{self, DeadlineLayer, Health, StoreAccess};
use crate::serving::{self, SaliencyWorker, Worker};
use crate::zero_cost::Proxies;

/// Calls under way on one connection at most; each may hold a request message in memory.
const MAX_CALLS_PER_CONNECTION: u32 = 256;

/// A server that listens, and answers as soon as its database does.
pub struct App {
    listener: TcpListener,
    local_addr: SocketAddr,
    routes: Routes,
    health: Health,
    worker: Worker,
    measuring: SaliencyWorker,
    following: JoinHandle<anyhow::Result<()>>,
    training: JoinHandle<()>,
    stop_following: CancellationToken,
    drain_timeout: Duration,
    /// Ends what would keep the server from its end.
    stop: CancellationToken,
}

impl App {
    /// Takes the address, opens the store and loads what is champion there. Where the database is not
    /// reachable yet, the server starts all the same, and becomes ready later.
    ///
    /// # Errors
    /// When the address is not to be had, or the store or a checkpoint that was named cannot be used.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let pinned = config.pinned()?;
        let device = config.device.open()?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("could not listen on {} (--listen)", config.listen))?;
        let local_addr = listener.local_addr().context("could not ask for the local address")?;
        let health = Health::starting().await;
        let (handle, worker) = serving::start(&config.serving).context("could not start the model thread")?;
        let (store, stored) = watch::channel(None);
        let proxies = Arc::new(Proxies::new(&config.saliencies.proxies));
        let (saliencies, measuring) =
            serving::start_saliencies(&config.saliencies, proxies.clone(), stored.clone())
                .context("could not start a thread for saliencies")?;
        let handle = handle.measuring_with(saliencies);
        let nudge = Nudge::default();
        let recorded = Nudge::default();
        let access = StoreAccess::new(stored.clone(), nudge.clone(), recorded.clone());
        let (check, stop) = (imported::check(device.clone()), CancellationToken::new());
        let routes = grpc::routes(&config.grpc, handle.clone(), &access, &health, check, &stop)
            .context("could not set up reflection")?;

        let health = health.clone();
        let of_training = device.clone();
        let startup =
            Startup { config: config.store, pinned, handle, device, store, health: health.clone(), nudge };
        let champions = match Box::pin(startup.attempt()).await {
            Ok(champions) => Some(champions),
            Err(error) if is_transient(&error) => {
                tracing::warn!("{error:#}: not ready until it is there");
                None
            }
            Err(error) => return Err(error),
        };
        let stop_following = CancellationToken::new();
        let following = tokio::spawn(startup.run(champions, stop_following.clone()));
        let training = tokio::spawn(training::train(
            config.retraining,
            of_training,
            proxies,
            stored,
            recorded,
            stop_following.clone(),
        ));
        let drain_timeout = Duration::from_secs(config.drain_timeout_s);
        Ok(Self {
            listener,
            local_addr,
            routes,
            health,
            worker,
            measuring,
            following,
            training,
            stop_following,
            drain_timeout,
            stop,
        })
    }

    /// Where it listens: the port that was taken where the configuration left it open.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers calls until `shutdown` completes; then takes no new ones, answers those it has, and
    /// returns.
    ///
    /// # Errors
    /// When calls are still unanswered after the drain timeout, or the model thread dies.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let stop = self.stop;
        let incoming = TcpIncoming::from(self.listener).with_nodelay(Some(true));
        let mut server = pin!(
            Server::builder()
                .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
                .layer(DeadlineLayer)
                .layer(MapRequestLayer::new({
                    let stop = stop.clone();
                    move |request| grpc::until_stopped(request, &stop)
                }))
                .add_routes(self.routes)
                .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned())
        );
        tokio::select! {
            ended = &mut server => {
                ended.context("server failed")?;
                bail!("server ended by itself");
            }
            () = self.worker.ended() => bail!("model thread ended, its log says why"),
            () = self.measuring.ended() => bail!("saliency thread ended, its log says why"),
            ended = &mut self.following => {
                ended.context("following the store died")??;
                bail!("following the store ended by itself");
            }
            ended = &mut self.training => {
                ended.context("training died")?;
                bail!("training ended by itself");
            }
            () = shutdown => {}
        }
        tracing::info!(timeout = ?self.drain_timeout, "stopping: calls that were accepted are answered");
        // First, lest it say that the server is ready.
        self.stop_following.cancel();
        self.following.await.context("following the store died")??;
        self.health.stopping().await;
        stop.cancel();
        time::timeout(self.drain_timeout, server)
            .await
            .with_context(|| {
                format!("calls were still open after {:?} (--drain-timeout-s)", self.drain_timeout)
            })?
            .context("server failed while it stopped")?;
        self.worker.stop().await.context("calls may be unanswered")?;
        self.measuring.stop().await.context("calls may be unanswered")?;
        // A run under way is given back after its epoch.
        self.training.await.context("training died")?;
        tracing::info!("stopped");
        Ok(())
    }
}
