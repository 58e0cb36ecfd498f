//! A server inside the test, on a port of its own.

use std::net::SocketAddr;
use std::path::Path;

use clap::Parser;
use tagates::app::App;
use tagates::cli::{Cli, Command};
use tagates::pb::predictor_service_client::PredictorServiceClient;
use tagates::pb::search_space_service_client::SearchSpaceServiceClient;
use tagates::pb::{self, Architecture};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

/// A running server and a connection to it.
pub struct TestApp {
    pub addr: SocketAddr,
    pub channel: Channel,
    stop: oneshot::Sender<()>,
    running: JoinHandle<anyhow::Result<()>>,
    /// Where it is the server's own.
    _data_dir: Option<TempDir>,
}

/// The configuration `tagates serve` makes of these flags, on a free port, with its data in `data_dir` unless
/// they name a database.
pub fn config(data_dir: &Path, flags: &[&str]) -> tagates::app::Config {
    let mut arguments = vec!["tagates", "serve", "--listen", "127.0.0.1:0"];
    if !flags.contains(&"--database") {
        arguments.extend(["--data-dir", data_dir.to_str().expect("a path in UTF-8")]);
    }
    let cli = Cli::try_parse_from(arguments.iter().chain(flags)).expect("flags that parse");
    let Command::Serve(config) = cli.command else { panic!("'serve' parses as serve") };
    config
}

impl TestApp {
    /// As `tagates serve` starts when given nothing.
    pub async fn spawn() -> Self {
        Self::spawn_with(&[]).await
    }

    /// As `tagates serve` starts with this checkpoint.
    pub async fn spawn_with_checkpoint(path: &Path) -> Self {
        Self::spawn_with(&["--checkpoint", path.to_str().expect("a path in UTF-8")]).await
    }

    /// As `tagates serve` starts with these flags.
    pub async fn spawn_with(flags: &[&str]) -> Self {
        let data_dir = tempfile::tempdir().expect("a temporary folder");
        let app = Self::spawn_in(data_dir.path(), flags).await;
        Self { _data_dir: Some(data_dir), ..app }
    }

    /// As it starts with these flags and its data in `data_dir`.
    pub async fn spawn_in(data_dir: &Path, flags: &[&str]) -> Self {
        let app = App::build(config(data_dir, flags)).await.expect("a server that starts");
        let addr = app.local_addr();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(app.run(async { drop(stopped.await) }));
        let channel = Endpoint::from_shared(format!("http://{addr}"))
            .expect("a URL")
            .connect()
            .await
            .expect("a connection");
        Self { addr, channel, stop, running, _data_dir: None }
    }

    pub fn predictor(&self) -> PredictorServiceClient<Channel> {
        PredictorServiceClient::new(self.channel.clone())
    }

    pub fn search_spaces(&self) -> SearchSpaceServiceClient<Channel> {
        SearchSpaceServiceClient::new(self.channel.clone())
    }

    /// Predict for the only task.
    pub async fn predict(
        &self,
        architectures: Vec<Architecture>,
    ) -> Result<pb::PredictResponse, tonic::Status> {
        let request = pb::PredictRequest { architectures, ..Default::default() };
        self.predictor().predict(request).await.map(tonic::Response::into_inner)
    }

    /// The scores of architectures that all have one.
    pub async fn scores(&self, architectures: &[Architecture]) -> Vec<f64> {
        let reply = self.predict(architectures.to_vec()).await.expect("an answer");
        reply.results.into_iter().map(|result| score(result).expect("a prediction")).collect()
    }

    /// Stops the server as SIGTERM would, and returns how that went.
    pub async fn stop(self) -> anyhow::Result<()> {
        drop(self.channel);
        drop(self.stop);
        self.running.await.expect("the server does not panic")
    }
}

/// The score of a result, or its error.
pub fn score(result: pb::PredictResult) -> Result<f64, tonic_types::pb::Status> {
    match result.outcome.expect("an outcome is always set") {
        pb::predict_result::Outcome::Prediction(prediction) => Ok(prediction.score),
        pb::predict_result::Outcome::Error(error) => Err(error),
    }
}

/// `n` architectures of NAS-Bench-201.
pub fn sample(n: usize) -> Vec<Architecture> {
    sample_texts(n).into_iter().map(Architecture::from_text).collect()
}

/// The same as text.
pub fn sample_texts(n: usize) -> Vec<String> {
    let sampled = tagates::space::nasbench201().sample(n, 7);
    sampled.iter().map(|architecture| architecture.text().to_owned()).collect()
}
