//! `tagates models export`

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tonic::transport::Channel;

use crate::cli::output::Output;
use crate::cli::server::{Refusal, ServerArgs};
use crate::cli::whole_file::write_whole;
use crate::pb::export_checkpoint_response::Part;
use crate::pb::model_service_client::ModelServiceClient;
use crate::pb::{self, digest_text};

/// Which checkpoint, and where to.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Task it is of.
    #[arg(long)]
    task: String,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Version it is of; the champion where it is not given.
    version: Option<String>,
}

/// What was written, as it is printed.
#[derive(Debug, Serialize)]
struct Record {
    version: String,
    size_bytes: u64,
    sha256: String,
    out: PathBuf,
}

/// Writes the checkpoint, whole or not at all, and prints what it is.
///
/// # Errors
/// When the server cannot be asked or refuses, what comes is not what it says, or the file cannot be written.
pub(super) fn run(args: Args) -> anyhow::Result<()> {
    let connection = args.server.connect()?;
    let version = args.version.unwrap_or_default();
    let request = pb::ExportCheckpointRequest { task: args.task, version };
    let (metadata, checkpoint) = connection.run(receive(connection.models(), request))?;
    write_whole(&args.out, &checkpoint)
        .with_context(|| format!("could not write {} (--out)", args.out.display()))?;
    let record = Record {
        version: metadata.version,
        size_bytes: metadata.size_bytes,
        sha256: metadata.sha256,
        out: args.out,
    };
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&record)?)?;
    out.flush()
}

async fn receive(
    mut client: ModelServiceClient<Channel>,
    request: pb::ExportCheckpointRequest,
) -> anyhow::Result<(pb::ExportCheckpointMetadata, Vec<u8>)> {
    let mut stream = client.export_checkpoint(request).await.map_err(Refusal)?.into_inner();
    let (mut metadata, mut checkpoint) = (None, Vec::new());
    while let Some(message) = stream.message().await.map_err(Refusal)? {
        match message.part {
            Some(Part::Metadata(first)) => metadata = Some(first),
            Some(Part::Chunk(chunk)) => checkpoint.extend(chunk),
            None => bail!("server sent nothing of the checkpoint in a message"),
        }
    }
    let metadata = metadata.context("server did not say what it sent")?;
    if digest_text(&Sha256::digest(&checkpoint).into()) != metadata.sha256 {
        bail!("what came has another digest than the server says: {} bytes", checkpoint.len());
    }
    Ok((metadata, checkpoint))
}
