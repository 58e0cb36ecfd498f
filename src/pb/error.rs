//! What can be wrong with a message.

use std::fmt;

/// A field that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct WireError {
    field: String,
    reason: String,
}

impl WireError {
    /// Says that `field` is wrong, and why.
    #[must_use]
    pub fn new(field: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self { field: field.into(), reason: reason.to_string() }
    }

    /// The same error seen from the message that holds this one in its field `outer`.
    #[must_use]
    pub fn within(self, outer: impl fmt::Display) -> Self {
        Self { field: format!("{outer}.{}", self.field), reason: self.reason }
    }

    /// The path of the field from the request, as `architectures[3].text`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
