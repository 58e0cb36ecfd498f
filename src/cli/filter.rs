//! Which observations of a task: shared by `export` and `retract`.

use crate::pb;

/// Conditions that observations must all meet.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FilterArgs {
    /// Observations with these numbers.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    sequences: Vec<i64>,
    /// Observations of this source.
    #[arg(long)]
    source: Option<String>,
    /// Observations accepted at this time or later, as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<prost_types::Timestamp>,
    /// Observations accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    before: Option<prost_types::Timestamp>,
}

fn moment(text: &str) -> Result<prost_types::Timestamp, String> {
    text.parse().map_err(|error: prost_types::TimestampError| error.to_string())
}

impl From<FilterArgs> for pb::ObservationFilter {
    fn from(args: FilterArgs) -> Self {
        Self {
            sequences: args.sequences,
            source: args.source,
            recorded_from: args.from,
            recorded_before: args.before,
        }
    }
}
