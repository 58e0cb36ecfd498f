//! Receives a checkpoint in parts, and has it checked.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::task;
use tokio::time;
use tonic::{Status, Streaming};

use crate::domain::{Task, TaskName};
use crate::grpc::status;
use crate::grpc::task::task_name;
use crate::pb::import_checkpoint_request::Part;
use crate::pb::{self, Announced, WireError};

/// No checkpoint larger than this is received.
pub const MAX_CHECKPOINT_BYTES: usize = 64 << 20;

/// How long a client may send nothing.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// Says whether bytes are a checkpoint that could answer for a task, which this room cannot tell: what the
/// checkpoint reports of itself, where it does, or for people why it cannot answer. May compute for a while.
pub type CheckpointCheck = Arc<dyn Fn(&Task, &[u8]) -> Result<Option<Value>, String> + Send + Sync>;

/// The task of the checkpoint that a stream begins with, and what is going to be sent of it.
///
/// # Errors
/// When it begins with something else, or a field is not what it should be.
pub(in crate::grpc) async fn begin(
    stream: &mut Streaming<pb::ImportCheckpointRequest>,
) -> Result<(TaskName, Announced), Status> {
    let Some(Part::Metadata(metadata)) = next(stream).await? else {
        return Err(WireError::new("metadata", "is not the first message").into());
    };
    let task = task_name("metadata.task", &metadata.task)?;
    let announced = metadata.decode(MAX_CHECKPOINT_BYTES).map_err(|error| error.within("metadata"))?;
    Ok((task, announced))
}

/// All chunks that follow, taken together.
///
/// # Errors
/// When they are more or fewer bytes than were announced, or something else comes.
pub(in crate::grpc) async fn receive(
    stream: &mut Streaming<pb::ImportCheckpointRequest>,
    announced: Announced,
) -> Result<Vec<u8>, Status> {
    // Grows with what comes, not with what is said to come.
    let mut checkpoint = Vec::new();
    while let Some(part) = next(stream).await? {
        let Part::Chunk(chunk) = part else {
            return Err(WireError::new("metadata", "came a second time").into());
        };
        if chunk.len() > announced.size_bytes - checkpoint.len() {
            return Err(wrong_size(announced, "more").into());
        }
        checkpoint.extend(chunk);
    }
    if checkpoint.len() < announced.size_bytes {
        return Err(wrong_size(announced, &checkpoint.len().to_string()).into());
    }
    Ok(checkpoint)
}

/// The checkpoint and its report, once it is seen that it is what was announced and could answer for the task.
///
/// # Errors
/// When it is not, or could not.
pub(in crate::grpc) async fn check(
    check: &CheckpointCheck,
    task: Task,
    announced: Announced,
    checkpoint: Vec<u8>,
) -> Result<(Vec<u8>, Option<Value>), Status> {
    let check = check.clone();
    let checked = task::spawn_blocking(move || {
        let digest: [u8; 32] = Sha256::digest(&checkpoint).into();
        if digest != announced.digest {
            let reason = format!("is not that of what came, {}", pb::digest_text(&digest));
            return Err(WireError::new("metadata.sha256", reason));
        }
        let report = check(&task, &checkpoint).map_err(|reason| WireError::new("chunk", reason))?;
        Ok((checkpoint, report))
    });
    let checked =
        checked.await.map_err(|error| status::internal(&error, "checking the checkpoint failed"))?;
    Ok(checked?)
}

async fn next(stream: &mut Streaming<pb::ImportCheckpointRequest>) -> Result<Option<Part>, Status> {
    let message = time::timeout(MAX_SILENCE, stream.message())
        .await
        .map_err(|_| Status::deadline_exceeded(format!("nothing came for {} s", MAX_SILENCE.as_secs())))??;
    let part = message.map(|message| message.part.ok_or_else(|| WireError::new("part", "is not given")));
    Ok(part.transpose()?)
}

fn wrong_size(announced: Announced, came: &str) -> WireError {
    WireError::new("metadata.size_bytes", format!("is {}, but {came} came", announced.size_bytes))
}
