//! `{"module_adjacency":[[0,1],[0,0]],"module_operations":["input","output"]}`: the `ModelSpec` of
//! NAS-Bench-101. Row i of the matrix has a 1 for each node that reads node i.

use std::fmt::Write;

use super::text::{Cursor, ParseError};
use crate::space::{Cell, DefinitionError, Edge, OperationIndex, Placement, SearchSpace, Wiring};

pub(super) const ADJACENCY: &str = "module_adjacency";
pub(super) const OPERATIONS: &str = "module_operations";

const INPUT: &str = "input";
const OUTPUT: &str = "output";

pub(super) fn check_definition(space: &SearchSpace) -> Result<(), DefinitionError> {
    let refuse = |path: &str, reason: &str| Err(DefinitionError::new(path, reason));
    match space.wiring {
        _ if space.placement != Placement::Node => {
            refuse("placement", "the notation module_spec has operations on nodes")
        }
        _ if space.cells.len() != 1 => refuse("cells", "the notation module_spec has one cell"),
        _ if space.cells[0].n_inputs != 1 => {
            refuse("cells[0].n_inputs", "the notation module_spec has one input node")
        }
        Wiring::Free { .. } => Ok(()),
        Wiring::Complete | Wiring::PerNode { .. } => {
            refuse("wiring", "the notation module_spec has free wiring")
        }
    }
}

pub(super) fn print(space: &SearchSpace, cells: &[Cell]) -> String {
    let cell = &cells[0];
    let mut matrix = vec![vec![0_u8; cell.n_nodes]; cell.n_nodes];
    for edge in &cell.edges {
        matrix[edge.source][edge.target] = 1;
    }
    let mut text = format!("{{\"{ADJACENCY}\":[");
    for (index, row) in matrix.iter().enumerate() {
        let row: Vec<_> = row.iter().map(u8::to_string).collect();
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}[{}]", row.join(",")).expect("writing to a string does not fail");
    }
    write!(text, "],\"{OPERATIONS}\":[\"{INPUT}\"").expect("writing to a string does not fail");
    for operation in &cell.node_operations {
        write!(text, ",\"{}\"", space.operation(*operation).name).expect("writing to a string does not fail");
    }
    text + &format!(",\"{OUTPUT}\"]}}")
}

pub(super) fn parse(space: &SearchSpace, text: &str) -> Result<Vec<Cell>, ParseError> {
    let mut cursor = Cursor::new(text);
    cursor.expect_after_space('{', "before the module")?;
    let (mut matrix, mut labels) = (None, None);
    let start = cursor;
    while !cursor.accepts('}') {
        cursor.skip_space();
        let start = cursor;
        match cursor.word("a field")? {
            ADJACENCY if matrix.is_none() => {
                cursor.expect_after_space(':', "after module_adjacency")?;
                matrix = Some(adjacency(space, &mut cursor)?);
            }
            OPERATIONS if labels.is_none() => {
                cursor.expect_after_space(':', "after module_operations")?;
                labels = Some(operations(space, &mut cursor)?);
            }
            _ => return Err(start.error(format!("{ADJACENCY} and {OPERATIONS}, each once"))),
        }
        if !cursor.accepts(',') {
            cursor.expect_after_space('}', "after the module")?;
            break;
        }
    }
    cursor.skip_space();
    cursor.expect_end()?;
    let (Some((n_nodes, edges)), Some(labels)) = (matrix, labels) else {
        return Err(start.error(format!("both {ADJACENCY} and {OPERATIONS}")));
    };
    if labels.n_nodes != n_nodes {
        return Err(labels.start.error_found(
            format!("an operation for each of {n_nodes} nodes, as the matrix has"),
            format!("{} operations", labels.n_nodes),
        ));
    }
    Ok(vec![Cell { n_nodes, node_operations: labels.operations, edges }])
}

struct Labels<'a> {
    n_nodes: usize,
    operations: Vec<OperationIndex>,
    start: Cursor<'a>,
}

/// Number of nodes, and the edges.
fn adjacency(space: &SearchSpace, cursor: &mut Cursor) -> Result<(usize, Vec<Edge>), ParseError> {
    let max_nodes = space.cells[0].n_nodes;
    let mut edges = Vec::new();
    let widths = cursor.list("the rows of the matrix", max_nodes, |cursor, source| {
        cursor.skip_space();
        let start = *cursor;
        let entries = cursor.list("the entries of a row", max_nodes, |cursor, target| {
            cursor.skip_space();
            let start = *cursor;
            match cursor.number("0 or 1")? {
                0 => Ok(()),
                1 if source < target => {
                    edges.push(Edge { source, target, operation: None });
                    Ok(())
                }
                1 => Err(start.error(format!("0, for no edge leads from node {source} back to {target}"))),
                _ => Err(start.error("0 or 1")),
            }
        })?;
        Ok((entries.len(), start))
    })?;
    let n_nodes = widths.len();
    match widths.into_iter().find(|(width, _)| *width != n_nodes) {
        Some((width, row)) => Err(row.error_found(
            format!("{n_nodes} entries, as many as there are rows"),
            format!("{width} entries"),
        )),
        None => Ok((n_nodes, edges)),
    }
}

fn operations<'a>(space: &SearchSpace, cursor: &mut Cursor<'a>) -> Result<Labels<'a>, ParseError> {
    cursor.skip_space();
    let start = *cursor;
    let labels = cursor.list("the operations", space.cells[0].n_nodes, |cursor, _| {
        cursor.skip_space();
        let start = *cursor;
        Ok((cursor.word("an operation")?, start))
    })?;
    let ends = |end: &[(&str, Cursor<'a>)], name: &str| end.iter().all(|(label, _)| *label == name);
    let n_nodes = labels.len();
    if n_nodes < 2 || !ends(&labels[..1], INPUT) || !ends(&labels[n_nodes - 1..], OUTPUT) {
        return Err(start.error(format!("operations from {INPUT:?} to {OUTPUT:?}")));
    }
    let operations = labels[1..n_nodes - 1]
        .iter()
        .map(|(name, start)| space.operation_named(name).ok_or_else(|| start.unknown_operation(space, name)))
        .collect::<Result<_, _>>()?;
    Ok(Labels { n_nodes, operations, start })
}
