//! How search spaces are printed.

use anyhow::Context;
use serde::Serialize;

use crate::pb;
use crate::space::Definition;

/// A search space as a file defines one.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    #[serde(flatten)]
    definition: Definition,
    /// Where it is one that only built-in search spaces have.
    #[serde(skip_serializing_if = "Option::is_none")]
    notation: Option<String>,
}

impl TryFrom<pb::SearchSpace> for Record {
    type Error = anyhow::Error;

    fn try_from(mut space: pb::SearchSpace) -> anyhow::Result<Self> {
        let notation = Some(std::mem::take(&mut space.notation)).filter(|notation| notation != "graph");
        let definition = space.definition().context("server's answer is not understood")?;
        Ok(Self { definition, notation })
    }
}

/// A search space in a list.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    name: String,
    description: String,
    notation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    n_architectures: Option<u64>,
}

impl From<pb::SearchSpace> for Summary {
    fn from(space: pb::SearchSpace) -> Self {
        Self {
            name: space.name,
            description: space.description,
            notation: space.notation,
            n_architectures: space.n_architectures,
        }
    }
}
