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
    /// Where weights, images and classes come from: the same seed measures the same.
    #[arg(long, value_name = "SEED", requires = "saliency_proxy", default_value_t = 0)]
    saliency_seed: u32,
}

impl SaliencyArgs {
    /// The path, from the task, where the flag is given.
    pub fn path(&self) -> Option<String> {
        self.saliency_proxy.is_some().then(|| "saliency_proxy".to_owned())
    }
}

impl From<SaliencyArgs> for Option<pb::SaliencyProxy> {
    fn from(args: SaliencyArgs) -> Self {
        let name = args.saliency_proxy.filter(|name| name != NONE)?;
        Some(pb::SaliencyProxy { name, seed: args.saliency_seed })
    }
}
