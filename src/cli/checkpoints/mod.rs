//! `tagates checkpoints`

mod from_published;
mod to_published;

/// What to do with a checkpoint file.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a checkpoint of a published state dict.
    FromPublished(from_published::Args),
    /// Write the tensors of a checkpoint as a published state dict.
    ToPublished(to_published::Args),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// As the subcommand says.
    pub(in crate::cli) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::FromPublished(args) => from_published::run(args),
            Self::ToPublished(args) => to_published::run(args),
        }
    }
}
