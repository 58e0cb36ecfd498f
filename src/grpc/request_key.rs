//! What a creating call is known by when it is sent again.

use prost::Message;
use sha2::{Digest, Sha256};

use crate::pb::WireError;
use crate::store::RequestKey;

/// Longest request id.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The key of a call with that `request_id`, where `body` is all else that it says. `None` where the client gives no
/// id, and so cannot send the request again.
///
/// # Errors
/// When it is none that a client may choose.
pub(in crate::grpc) fn request_key(id: String, body: &impl Message) -> Result<Option<RequestKey>, WireError> {
    if id.len() > MAX_REQUEST_ID_BYTES || id.contains(char::is_control) {
        let reason = format!("has more than {MAX_REQUEST_ID_BYTES} bytes, or control characters");
        return Err(WireError::new("request_id", reason));
    }
    let digest = || Sha256::digest(body.encode_to_vec()).into();
    Ok((!id.is_empty()).then(|| RequestKey { id, digest: digest() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb;

    #[test]
    fn the_same_body_has_the_same_digest_and_another_one_another() {
        let task = |name: &str| pb::Task { name: name.to_owned(), ..pb::Task::default() };
        let key = |task| request_key("1".into(), &task).expect("a short id").expect("an id");
        assert_eq!(key(task("a")), key(task("a")));
        assert_ne!(key(task("a")).digest, key(task("b")).digest);
        assert_eq!(request_key(String::new(), &task("a")), Ok(None));
        let error = request_key("x".repeat(129), &task("a")).expect_err("a long id");
        assert_eq!(error.field(), "request_id");
    }
}
