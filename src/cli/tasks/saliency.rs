//! How saliencies of a task are measured: flags shared by `create` and `update`.

use crate::pb;

/// The name that means no proxy.
const NONE: &str = "none";

/// Whether and how the server measures saliencies.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "saliencies")]
#[command(next_help_heading = "Saliencies")]
pub struct SaliencyArgs {
    /// Have the server measure the zero-cost saliencies that models of the task take and clients do not send, by this
    /// proxy: `small`, `full`, one of the server's own (`serve --saliency-proxy`), or `none` for not at all.
    #[arg(long, value_name = "NAME|none")]
    saliency_proxy: Option<String>,
    /// Where weights, images and classes come from: the same seed measures the same. By default the one the task has,
    /// or 0.
    #[arg(long, value_name = "SEED", requires = "saliency_proxy")]
    saliency_seed: Option<u32>,
}

impl SaliencyArgs {
    /// The path, from the task, where the flag is given.
    pub fn path(&self) -> Option<String> {
        self.saliency_proxy.is_some().then(|| "saliency_proxy".to_owned())
    }

    /// The proxy of a task that has had `before`.
    pub fn proxy(self, before: Option<&pb::SaliencyProxy>) -> Option<pb::SaliencyProxy> {
        let name = self.saliency_proxy.filter(|name| name != NONE)?;
        let seed = self.saliency_seed.or(before.map(|proxy| proxy.seed)).unwrap_or(0);
        Some(pb::SaliencyProxy { name, seed })
    }
}
