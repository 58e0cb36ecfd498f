//! `tagates migrate`

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::cli::output::Output;
use crate::store::{self, Store};

/// Brings the schema of the database up to date, or with `--migrate check` only says whether it is, and
/// prints its version.
///
/// # Errors
/// As [`Store::connect`] and [`Store::migrate`].
pub(in crate::cli) fn run(config: &store::Config) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("could not start the runtime")?;
    let (store, schema) = runtime.block_on(async {
        let store = Store::connect(config).await?;
        let schema = store.migrate(config.migrate).await?;
        anyhow::Ok((store, schema))
    })?;
    let mut out = Output::stdout();
    match schema.before {
        Some(before) if before == schema.version => {
            out.line(format_args!("{store}: schema at version {before}"))?;
        }
        Some(before) => {
            out.line(format_args!("{store}: schema from version {before} to {}", schema.version))?;
        }
        None => out.line(format_args!("{store}: schema from nothing to version {}", schema.version))?,
    }
    out.flush()
}
