//! News that something may have changed, for those who would otherwise only look now and then.

use crate::store::Store;

/// Tells when something about tasks, runs or champions may have changed, in this process or in another one
/// on the same PostgreSQL. It carries no data, and news can be lost: look now and then all the same.
#[derive(Debug)]
pub struct Changes {}

impl Store {
    /// Listens from now on, for as long as the answer lives. It needs a tokio runtime.
    #[must_use]
    pub fn listen(&self) -> Changes {
        unimplemented!("{self}")
    }
}

impl Changes {
    /// Waits until something may have changed since the last time; the first time, until that would be
    /// noticed. Many changes may be one. It never fails, and may be dropped and called again: while the
    /// database is away it waits, and speaks up when it is back.
    pub async fn next(&mut self) {
        unimplemented!()
    }
}
