//! The server that commands ask.

use std::error::Error;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::{self, Runtime};
use tokio::time;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::pb::model_service_client::ModelServiceClient;
use crate::pb::observation_service_client::ObservationServiceClient;
use crate::pb::search_space_service_client::SearchSpaceServiceClient;
use crate::pb::task_service_client::TaskServiceClient;
use crate::pb::training_service_client::TrainingServiceClient;

/// How long to wait before a call is sent again when the server does not say.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Which server.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// Server to ask.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:50051")]
    server: String,
}

impl ServerArgs {
    /// Connects to it.
    ///
    /// # Errors
    /// As [`Connection::open`].
    pub(in crate::cli) fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(&self.server)
    }

    /// As [`Self::connect`], but the server may come later: the first call finds out.
    ///
    /// # Errors
    /// When it is no URL.
    pub(in crate::cli) fn connect_lazily(&self) -> anyhow::Result<Connection> {
        Connection::open_lazily(&self.server)
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build().context("could not start the runtime")
}

fn endpoint(url: &str) -> anyhow::Result<Endpoint> {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let endpoint =
        Endpoint::from_shared(url.clone()).with_context(|| format!("{url:?} is no URL (--server)"))?;
    Ok(endpoint.connect_timeout(CONNECT_TIMEOUT))
}

/// A connection to a server. It is made anew by itself when it breaks.
pub(in crate::cli) struct Connection {
    runtime: Runtime,
    channel: Channel,
}

impl Connection {
    /// Connects to `url`, which may leave out `http://`.
    ///
    /// # Errors
    /// When it is no URL or no server answers there.
    pub fn open(url: &str) -> anyhow::Result<Self> {
        let (runtime, endpoint) = (runtime()?, endpoint(url)?);
        let channel = runtime
            .block_on(endpoint.connect())
            .with_context(|| format!("could not connect to {} (--server)", endpoint.uri()))?;
        Ok(Self { runtime, channel })
    }

    fn open_lazily(url: &str) -> anyhow::Result<Self> {
        let (runtime, endpoint) = (runtime()?, endpoint(url)?);
        let channel = runtime.block_on(async { endpoint.connect_lazy() });
        Ok(Self { runtime, channel })
    }

    /// For calls of any service.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// For calls about search spaces.
    pub fn search_spaces(&self) -> SearchSpaceServiceClient<Channel> {
        SearchSpaceServiceClient::new(self.channel())
    }

    /// For calls about tasks.
    pub fn tasks(&self) -> TaskServiceClient<Channel> {
        TaskServiceClient::new(self.channel())
    }

    /// For calls about observations.
    pub fn observations(&self) -> ObservationServiceClient<Channel> {
        ObservationServiceClient::new(self.channel())
    }

    /// For calls about training runs.
    pub fn trainings(&self) -> TrainingServiceClient<Channel> {
        TrainingServiceClient::new(self.channel())
    }

    /// For calls about model versions.
    pub fn models(&self) -> ModelServiceClient<Channel> {
        ModelServiceClient::new(self.channel())
    }

    /// Waits for the answer to a call.
    ///
    /// # Errors
    /// With a [`Refusal`] when there is none.
    pub fn call<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Refusal> {
        self.runtime.block_on(call).map(Response::into_inner).map_err(Refusal)
    }

    /// Runs what makes several calls.
    pub fn run<T>(&self, calls: impl Future<Output = T>) -> T {
        self.runtime.block_on(calls)
    }
}

/// What a call as a whole was refused with.
#[derive(Debug, thiserror::Error)]
#[error("server answered {:?}: {}", .0.code(), .0.message())]
pub(in crate::cli) struct Refusal(pub Status);

impl Refusal {
    /// Waits for as long as the server asks before what broke off with `status` is begun again.
    ///
    /// # Errors
    /// With the refusal, where that cannot help.
    pub async fn unless_passing(status: Status) -> Result<(), Self> {
        let Some(delay) = retry_delay(&status) else { return Err(Self(status)) };
        time::sleep(delay).await;
        Ok(())
    }
}

/// How long a call that may be repeated is sent again while the server cannot answer it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Patience(pub Duration);

impl Patience {
    /// Sends a call until the server answers it. Only for calls that may arrive twice.
    ///
    /// # Errors
    /// When the server refuses it, or could not answer for as long as this lasts.
    pub async fn call<T>(
        self,
        mut call: impl AsyncFnMut() -> Result<Response<T>, Status>,
    ) -> Result<T, Refusal> {
        let mut waiting_since = None;
        loop {
            let status = match call().await {
                Ok(response) => return Ok(response.into_inner()),
                Err(status) => status,
            };
            let Some(delay) = retry_delay(&status) else { return Err(Refusal(status)) };
            let since = *waiting_since.get_or_insert_with(|| {
                eprintln!(
                    "waiting up to {} s for the server (--server): {}",
                    self.0.as_secs(),
                    status.message()
                );
                Instant::now()
            });
            if since.elapsed() + delay > self.0 {
                return Err(Refusal(status));
            }
            time::sleep(delay).await;
        }
    }
}

/// How long to wait before the call that came to `status` is sent again; `None` where that cannot help.
fn retry_delay(status: &Status) -> Option<Duration> {
    let said = || status.get_details_retry_info().and_then(|info| info.retry_delay);
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => Some(said().unwrap_or(RETRY_DELAY)),
        // Only a status made on this side has a source: the connection broke before the answer was there.
        _ => said().or_else(|| status.source().map(|_| RETRY_DELAY)),
    }
}

/// `value: is wrong` of `observations[3].value: is wrong`, where the user knows the observation otherwise.
pub(in crate::cli) fn without_index(message: &str) -> &str {
    let path = message.strip_prefix("observations[").and_then(|rest| rest.split_once("]."));
    path.map_or(message, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_after_the_time_the_server_says() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(5)));
        let told = |code| Status::with_error_details(code, "later", details.clone());
        assert_eq!(retry_delay(&told(Code::Unavailable)), Some(Duration::from_millis(5)));
        assert_eq!(retry_delay(&told(Code::ResourceExhausted)), Some(Duration::from_millis(5)));
        assert_eq!(retry_delay(&Status::unavailable("stopping")), Some(RETRY_DELAY));
        assert_eq!(retry_delay(&Status::resource_exhausted("message too large")), None);
        assert_eq!(retry_delay(&Status::unknown("a bug")), None);
        assert_eq!(retry_delay(&Status::invalid_argument("no")), None);
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert_eq!(retry_delay(&Status::from_error(Box::new(broken))), Some(RETRY_DELAY));
    }

    #[tokio::test]
    async fn patience_ends() {
        let mut n_calls = 0;
        let call = async || {
            n_calls += 1;
            Err::<Response<()>, _>(Status::unavailable("gone"))
        };
        Patience(Duration::ZERO).call(call).await.expect_err("no patience");
        assert_eq!(n_calls, 1);
    }

    #[test]
    fn the_index_of_an_observation_is_left_out() {
        assert_eq!(without_index("observations[37].value: 101 is outside"), "value: 101 is outside");
        assert_eq!(without_index("value: [a]. b"), "value: [a]. b");
    }
}
