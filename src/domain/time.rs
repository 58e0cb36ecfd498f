//! Moments, as the database's clock tells them.

/// A moment, in microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Since the Unix epoch.
    pub unix_micros: i64,
}
