//! The way to the store, which may not be there yet: the database can be unreachable when the server
//! starts.

use tokio::sync::watch;
use tonic::Status;

use crate::background::Nudge;
use crate::grpc::status;
use crate::store::Store;

/// Hands out the store once it is there. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoreAccess {
    store: watch::Receiver<Option<Store>>,
    changed: Nudge,
}

impl StoreAccess {
    /// Hands out what `store` holds; `changed` is nudged when tasks or champions do.
    #[must_use]
    pub fn new(store: watch::Receiver<Option<Store>>, changed: Nudge) -> Self {
        Self { store, changed }
    }

    /// Says that a task is new or archived, or has another champion.
    pub(in crate::grpc) fn changed(&self) {
        self.changed.nudge();
    }

    /// The store.
    ///
    /// # Errors
    /// With UNAVAILABLE and the time to wait, while it is not there yet.
    pub(in crate::grpc) fn get(&self) -> Result<Store, Status> {
        self.store
            .borrow()
            .clone()
            .ok_or_else(|| status::unavailable("database is not reachable yet".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn without_a_store_the_client_is_told_when_to_try_again() {
        let (_sender, receiver) = watch::channel(None);
        let status = StoreAccess::new(receiver, Nudge::default()).get().expect_err("no store");
        assert_eq!(status.code(), Code::Unavailable);
        let delay = status.get_details_retry_info().expect("a delay").retry_delay;
        assert_eq!(delay, Some(std::time::Duration::from_secs(1)));
    }
}
