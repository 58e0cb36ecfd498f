//! `tagates sample`

use anyhow::bail;

use crate::cli::definition::builtin_or_file;
use crate::cli::output::Output;
use crate::cli::server::Connection;
use crate::pb::{self, architecture::Notation};

/// How many architectures of which search space.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Search space: a built-in one, or a file that defines one; with --server any that the server knows.
    #[arg(long, value_name = "NAME|FILE")]
    space: String,
    /// How many; fewer are printed where the space seems to have no more.
    #[arg(long, value_name = "N")]
    count: u32,
    /// The same seed draws the same architectures, and a larger count only adds more.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Server to ask, as <http://127.0.0.1:50051>; without one they are drawn in this process.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// Prints random architectures, one a line, no two written the same.
///
/// # Errors
/// When the search space is unknown or the server cannot be asked.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<()> {
    let mut out = Output::stdout();
    match &args.server {
        Some(url) => {
            let connection = Connection::open(url)?;
            let request = pb::SampleArchitecturesRequest {
                search_space: args.space,
                count: args.count,
                seed: args.seed,
            };
            let reply = connection.call(connection.search_spaces().sample_architectures(request))?;
            for architecture in reply.architectures {
                let Some(Notation::Text(text)) = architecture.notation else {
                    bail!("server answered an architecture without its text");
                };
                out.line(text)?;
            }
        }
        None => {
            for architecture in builtin_or_file(&args.space)?.sample(args.count as usize, args.seed) {
                out.line(architecture)?;
            }
        }
    }
    out.flush()
}
