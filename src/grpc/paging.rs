//! Pages of lists: how long they are, and where the next one begins.

use crate::domain::{ModelVersionId, Sequence, TaskName};
use crate::pb::{WireError, version_id};

/// Entries of a page when the client does not say.
const DEFAULT_PAGE_SIZE: u32 = 100;

/// Entries of a page at most.
const MAX_PAGE_SIZE: u32 = 1_000;

/// How many entries a client gets that asks for `page_size`.
///
/// # Errors
/// When it is negative.
pub(in crate::grpc) fn page_size(page_size: i32) -> Result<u32, WireError> {
    match u32::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(WireError::new("page_size", "must not be negative")),
    }
}

/// The number after which the page begins, 0 before the first.
///
/// # Errors
/// When the token is none that a page before gave.
pub(in crate::grpc) fn sequence_before(page_token: &str) -> Result<Sequence, WireError> {
    Ok(Sequence(number_before(page_token)?.unwrap_or(0)))
}

/// The number of the entry after which the page begins.
///
/// # Errors
/// When the token is none that a page before gave.
pub(in crate::grpc) fn number_before(page_token: &str) -> Result<Option<i64>, WireError> {
    if page_token.is_empty() {
        return Ok(None);
    }
    let number = page_token.parse().ok().filter(|number: &i64| *number > 0);
    number.map(Some).ok_or_else(unknown_token)
}

/// The version after which the page begins.
///
/// # Errors
/// When the token is none that a page before gave.
pub(in crate::grpc) fn version_before(page_token: &str) -> Result<Option<ModelVersionId>, WireError> {
    match page_token {
        "" => Ok(None),
        token => version_id("page_token", token).map(Some).map_err(|_| unknown_token()),
    }
}

/// The task after which the page begins.
///
/// # Errors
/// When the token is none that a page before gave.
pub(in crate::grpc) fn task_before(page_token: &str) -> Result<Option<TaskName>, WireError> {
    match page_token {
        "" => Ok(None),
        token => TaskName::new(token).map(Some).map_err(|_| unknown_token()),
    }
}

fn unknown_token() -> WireError {
    WireError::new("page_token", "is no next_page_token of this list")
}

/// Cuts what was asked for with one entry more than the page has: the page, and the token of the next
/// one, empty on the last.
pub(in crate::grpc) fn cut<T>(
    mut entries: Vec<T>,
    page_size: u32,
    token: impl FnOnce(&T) -> String,
) -> (Vec<T>, String) {
    let is_last = entries.len() <= page_size as usize;
    entries.truncate(page_size as usize);
    let next = entries.last().filter(|_| !is_last).map(token).unwrap_or_default();
    (entries, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        assert_eq!([0, 1, 1_000, 1_001, i32::MAX].map(page_size), [100, 1, 1_000, 1_000, 1_000].map(Ok));
        assert_eq!(page_size(-1).expect_err("negative").field(), "page_size");
    }

    #[test]
    fn tokens_lead_to_the_next_page_and_the_last_page_has_none() {
        let token = |entry: &i64| entry.to_string();
        let (page, next) = cut(vec![3, 4, 5], 2, token);
        assert_eq!((page, sequence_before(&next)), (vec![3, 4], Ok(Sequence(4))));
        assert_eq!(cut(vec![3, 4], 2, token), (vec![3, 4], String::new()));
        assert_eq!(cut(vec![], 2, token), (vec![], String::new()));
        assert_eq!(sequence_before(""), Ok(Sequence(0)));
        assert_eq!((number_before("7"), number_before("")), (Ok(Some(7)), Ok(None)));
        assert_eq!(version_before("v"), Ok(Some(ModelVersionId("v".into()))));
    }

    #[test]
    fn tokens_of_others_are_refused() {
        for token in ["x", "-1", "0", "99999999999999999999"] {
            assert_eq!(sequence_before(token).expect_err("no token").field(), "page_token");
        }
        assert_eq!(version_before("a\nb").expect_err("no token").field(), "page_token");
        assert_eq!(task_before("No Name").expect_err("no token").field(), "page_token");
    }
}
