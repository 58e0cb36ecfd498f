//! Checkpoints on their way, in parts.

use std::fmt::Write as _;
use std::iter;

use sha2::{Digest, Sha256};

use crate::domain::ModelVersionId;
use crate::pb::{self, WireError, export_checkpoint_response, import_checkpoint_request};

/// Bytes of a part that is sent.
const CHUNK_BYTES: usize = 256 << 10;

/// A digest as it is written in messages.
#[must_use]
pub fn digest_text(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// The digest in the field of that name.
///
/// # Errors
/// Naming the field, when it has not 64 hexadecimal digits.
fn digest(field: &str, text: &str) -> Result<[u8; 32], WireError> {
    let is_digest = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest {
        return Err(WireError::new(field, "has not 64 hexadecimal digits"));
    }
    let byte = |place: usize| u8::from_str_radix(&text[2 * place..][..2], 16).expect("hexadecimal digits");
    Ok(std::array::from_fn(byte))
}

/// What is going to be sent, but for its task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Of the whole file.
    pub size_bytes: usize,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

impl pb::ImportCheckpointMetadata {
    /// What is going to be sent. The task is left to who calls.
    ///
    /// # Errors
    /// Naming the field, when the size is 0 or more than `max_bytes`, or the digest is none.
    pub fn decode(&self, max_bytes: usize) -> Result<Announced, WireError> {
        let size_bytes = usize::try_from(self.size_bytes).ok().filter(|size| (1..=max_bytes).contains(size));
        let wrong_size = || {
            let reason = format!("{} is not from 1 to {max_bytes}", self.size_bytes);
            WireError::new("size_bytes", reason)
        };
        Ok(Announced {
            size_bytes: size_bytes.ok_or_else(wrong_size)?,
            digest: digest("sha256", &self.sha256)?,
        })
    }
}

impl pb::ImportCheckpointRequest {
    /// The messages that send a checkpoint of a task.
    pub fn parts(task: String, checkpoint: Vec<u8>) -> impl Iterator<Item = Self> + use<> {
        use import_checkpoint_request::Part;
        let metadata = pb::ImportCheckpointMetadata {
            task,
            size_bytes: checkpoint.len() as u64,
            sha256: digest_text(&Sha256::digest(&checkpoint).into()),
        };
        let parts = iter::once(Part::Metadata(metadata)).chain(chunks(checkpoint).map(Part::Chunk));
        parts.map(|part| Self { part: Some(part) })
    }
}

impl pb::ExportCheckpointResponse {
    /// The messages that send the checkpoint of a version.
    pub fn parts(version: &ModelVersionId, checkpoint: Vec<u8>) -> impl Iterator<Item = Self> + use<> {
        use export_checkpoint_response::Part;
        let metadata = pb::ExportCheckpointMetadata {
            version: version.to_string(),
            size_bytes: checkpoint.len() as u64,
            sha256: digest_text(&Sha256::digest(&checkpoint).into()),
        };
        let parts = iter::once(Part::Metadata(metadata)).chain(chunks(checkpoint).map(Part::Chunk));
        parts.map(|part| Self { part: Some(part) })
    }
}

fn chunks(checkpoint: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    (0..checkpoint.len()).step_by(CHUNK_BYTES).map(move |start| {
        let end = checkpoint.len().min(start + CHUNK_BYTES);
        checkpoint[start..end].to_vec()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(size_bytes: u64, sha256: &str) -> pb::ImportCheckpointMetadata {
        pb::ImportCheckpointMetadata { task: "t".into(), size_bytes, sha256: sha256.into() }
    }

    #[test]
    fn what_is_announced_has_a_size_and_a_digest() {
        let bytes: [u8; 32] = std::array::from_fn(|place| place as u8 * 8);
        let text = digest_text(&bytes);
        assert!(text.starts_with("0008101820"), "{text}");
        let announced = Announced { size_bytes: 10, digest: bytes };
        assert_eq!(metadata(10, &text).decode(10), Ok(announced));
        assert_eq!(metadata(10, &text.to_uppercase()).decode(10), Ok(announced));
        for (message, field) in [
            (metadata(0, &text), "size_bytes"),
            (metadata(11, &text), "size_bytes"),
            (metadata(u64::MAX, &text), "size_bytes"),
            (metadata(1, &text[1..]), "sha256"),
            (metadata(1, &text.replace('0', "g")), "sha256"),
            (metadata(1, &"é".repeat(32)), "sha256"),
        ] {
            assert_eq!(message.decode(10).expect_err("a wrong field").field(), field);
        }
    }

    #[test]
    fn the_parts_of_a_checkpoint_are_all_of_it_in_order() {
        let bytes: Vec<u8> = (0..2 * CHUNK_BYTES + 1).map(|place| place as u8).collect();
        let size_bytes = bytes.len() as u64;
        let mut sent = pb::ImportCheckpointRequest::parts("t".into(), bytes.clone());
        let Some(import_checkpoint_request::Part::Metadata(announced)) =
            sent.next().and_then(|sent| sent.part)
        else {
            panic!("metadata comes first")
        };
        let digest = Sha256::digest(&bytes).into();
        let expected = Announced { size_bytes: bytes.len(), digest };
        assert_eq!((announced.task.as_str(), announced.decode(bytes.len())), ("t", Ok(expected)));
        let version = ModelVersionId("v".into());
        let mut received = pb::ExportCheckpointResponse::parts(&version, bytes.clone());
        let metadata = received.next().and_then(|message| message.part);
        let expected =
            pb::ExportCheckpointMetadata { version: "v".into(), size_bytes, sha256: announced.sha256 };
        assert_eq!(metadata, Some(export_checkpoint_response::Part::Metadata(expected)));
        let sent = sent.flat_map(|message| match message.part {
            Some(import_checkpoint_request::Part::Chunk(chunk)) => chunk,
            other => panic!("no chunk: {other:?}"),
        });
        let mut n_received = 0;
        let received = received.flat_map(|message| match message.part {
            Some(export_checkpoint_response::Part::Chunk(chunk)) => {
                n_received += 1;
                chunk
            }
            other => panic!("no chunk: {other:?}"),
        });
        assert!(sent.eq(bytes.iter().copied()) && received.eq(bytes.iter().copied()));
        assert_eq!(n_received, 3);
    }
}
