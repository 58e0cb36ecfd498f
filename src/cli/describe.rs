//! `tagates describe`

use anyhow::Context;
use serde::Serialize;

use crate::cli::definition::builtin_or_file;
use crate::cli::output::Output;
use crate::cli::server::Connection;
use crate::pb;

/// Which architecture.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Architecture in the search space's notation.
    #[arg(value_name = "ARCH")]
    architecture: String,
    /// Its search space: a built-in one, or a file that defines one; with --server any that the server knows.
    #[arg(long, value_name = "NAME|FILE")]
    space: String,
    /// Server to ask, as <http://127.0.0.1:50051>; without one it is found out in this process.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

/// Prints what the architecture is as a JSON object.
///
/// # Errors
/// When the search space is unknown, the text is no architecture of it, or the server cannot be asked.
pub(in crate::cli) fn run(args: Args) -> anyhow::Result<()> {
    let description = match &args.server {
        Some(url) => {
            let connection = Connection::open(url)?;
            let request = pb::DescribeArchitectureRequest {
                search_space: args.space,
                architecture: Some(pb::Architecture::from_text(args.architecture)),
            };
            connection.call(connection.search_spaces().describe_architecture(request))?
        }
        None => (&builtin_or_file(&args.space)?.parse(&args.architecture)?).into(),
    };
    let mut out = Output::stdout();
    out.line(serde_json::to_string(&Record::try_from(description)?)?)?;
    out.flush()
}

#[derive(Debug, Serialize)]
struct Record {
    text: String,
    canonical_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flops: Option<u64>,
    graph: GraphRecord,
}

#[derive(Debug, Serialize)]
struct GraphRecord {
    cells: Vec<CellRecord>,
}

/// With the names of the wire.
#[derive(Debug, Serialize)]
struct CellRecord {
    n_nodes: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    node_operations: Vec<String>,
    edges: Vec<EdgeRecord>,
}

#[derive(Debug, Serialize)]
struct EdgeRecord {
    source: u32,
    target: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    operation: String,
}

impl TryFrom<pb::DescribeArchitectureResponse> for Record {
    type Error = anyhow::Error;

    fn try_from(description: pb::DescribeArchitectureResponse) -> anyhow::Result<Self> {
        let graph = description.graph.context("server answered without a graph")?;
        Ok(Self {
            text: description.text,
            canonical_id: description.canonical_id,
            parameters: description.parameters,
            flops: description.flops,
            graph: GraphRecord { cells: graph.cells.into_iter().map(Into::into).collect() },
        })
    }
}

impl From<pb::Cell> for CellRecord {
    fn from(cell: pb::Cell) -> Self {
        let edge = |edge: pb::Edge| EdgeRecord {
            source: edge.source,
            target: edge.target,
            operation: edge.operation,
        };
        Self {
            n_nodes: cell.n_nodes,
            node_operations: cell.node_operations,
            edges: cell.edges.into_iter().map(edge).collect(),
        }
    }
}
