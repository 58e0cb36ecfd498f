//! Work that is repeated: when a timer says so, or somebody who knows that there is something to do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time;
use tokio_util::sync::CancellationToken;

/// Wakes whoever waits for it. It carries nothing, and one that is lost only makes the work wait for its
/// timer. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Nudge {
    notify: Arc<Notify>,
}

impl Nudge {
    /// There is something to do. Remembered until somebody waits.
    pub fn nudge(&self) {
        self.notify.notify_one();
    }

    /// Waits for a nudge, `interval` at most. Whether to go on: not once `stop` is asked for.
    pub async fn wait(&self, interval: Duration, stop: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            () = stop.cancelled() => false,
            () = self.notify.notified() => true,
            () = time::sleep(interval) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_a_nudge_a_timer_or_a_stop() {
        let (nudge, stop) = (Nudge::default(), CancellationToken::new());
        nudge.nudge();
        assert!(nudge.wait(Duration::MAX, &stop).await);
        assert!(nudge.wait(Duration::from_millis(1), &stop).await);
        stop.cancel();
        nudge.nudge();
        assert!(!nudge.wait(Duration::MAX, &stop).await);
    }
}
