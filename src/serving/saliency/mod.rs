//! Saliencies that clients did not send, of tasks that opted in: from memory, from the store, or measured by threads of
//! their own. What several calls want at once is measured once.

mod flights;
mod handle;
mod keeper;
mod key;
mod queue;
mod worker;

pub use self::handle::SaliencyHandle;
pub use self::worker::{SaliencyThreadPanicked, SaliencyWorker, start};
