//! `{"cells":[{"n_nodes":3,"edges":[[0,1,"conv"],[1,2,"pool"]]}]}`, or, where operations sit on nodes,
//! `{"cells":[{"operations":["conv"],"edges":[[0,1],[1,2]]}]}`: the explicit graph, which writes architectures of
//! any space.

use serde::{Deserialize, Serialize};

use super::text::ParseError;
use crate::space::{Cell, Edge, GraphError, OperationIndex, Placement, SearchSpace};

pub(super) const CELLS: &str = "cells";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GraphText {
    cells: Vec<CellText>,
}

/// The number of nodes is written where the operations on them do not tell it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CellText {
    #[serde(skip_serializing_if = "Option::is_none")]
    n_nodes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<String>>,
    edges: Vec<EdgeText>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum EdgeText {
    Plain(usize, usize),
    WithOperation(usize, usize, String),
}

pub(super) fn print(space: &SearchSpace, cells: &[Cell]) -> String {
    let name = |operation: OperationIndex| space.operation(operation).name.clone();
    let cells = cells.iter().map(|cell| CellText {
        n_nodes: (space.placement == Placement::Edge).then_some(cell.n_nodes),
        operations: (space.placement == Placement::Node)
            .then(|| cell.node_operations.iter().copied().map(name).collect()),
        edges: (cell.edges.iter())
            .map(|edge| match edge.operation {
                None => EdgeText::Plain(edge.source, edge.target),
                Some(operation) => EdgeText::WithOperation(edge.source, edge.target, name(operation)),
            })
            .collect(),
    });
    serde_json::to_string(&GraphText { cells: cells.collect() }).expect("names and numbers are JSON")
}

pub(super) fn parse(space: &SearchSpace, text: &str) -> Result<Vec<Cell>, ParseError> {
    let graph: GraphText = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        // The place is told apart from the message, which ends with it.
        let found = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
        let before = text.lines().take(error.line().saturating_sub(1)).map(|line| line.chars().count() + 1);
        ParseError::Text {
            column: before.sum::<usize>() + error.column().max(1),
            expected: "a graph, as {\"cells\":[{\"edges\":[[0,1]]}]}".to_owned(),
            found: found.to_owned(),
        }
    })?;
    let cells = graph.cells.into_iter().enumerate().map(|(index, text)| {
        let within =
            |error: GraphError| GraphError::new(format!("cells[{index}].{}", error.path), error.reason);
        let n_inputs = space.cells.get(index).map_or(1, |shape| shape.n_inputs);
        cell(space, text, n_inputs).map_err(within)
    });
    Ok(cells.collect::<Result<_, _>>()?)
}

fn cell(space: &SearchSpace, text: CellText, n_inputs: usize) -> Result<Cell, GraphError> {
    let node_operations = (text.operations.unwrap_or_default().iter().enumerate())
        .map(|(index, name)| operation(space, &format!("operations[{index}]"), name))
        .collect::<Result<Vec<_>, _>>()?;
    let edges = (text.edges.into_iter().enumerate())
        .map(|(index, edge)| match edge {
            EdgeText::Plain(source, target) => Ok(Edge { source, target, operation: None }),
            EdgeText::WithOperation(source, target, name) => {
                let operation = Some(operation(space, &format!("edges[{index}][2]"), &name)?);
                Ok(Edge { source, target, operation })
            }
        })
        .collect::<Result<_, _>>()?;
    let n_nodes = match (text.n_nodes, space.placement) {
        (Some(n_nodes), _) => n_nodes,
        (None, Placement::Node) => n_inputs + node_operations.len() + 1,
        (None, Placement::Edge) => return Err(GraphError::new("n_nodes", "missing")),
    };
    Ok(Cell { n_nodes, node_operations, edges })
}

fn operation(space: &SearchSpace, path: &str, name: &str) -> Result<OperationIndex, GraphError> {
    space.operation_named(name).ok_or_else(|| {
        let known: Vec<_> = space.operations.iter().map(|operation| operation.name.as_str()).collect();
        GraphError::new(path, format!("no operation \"{name:.64}\", only {}", known.join(", ")))
    })
}
