//! `Genotype(normal=[('sep_conv_3x3', 0), ..], normal_concat=[2, 3, 4, 5], reduce=[..], reduce_concat=[..])`:
//! the notation of DARTS. For each inner node in turn the operations into it and the nodes they read; the nodes
//! that are concatenated follow from the others, but are written too. Either quotes, `range(2, 6)`, and any
//! order of the fields are read.

use std::fmt::Write;

use super::text::{Cursor, ParseError};
use crate::space::wiring::output_sources;
use crate::space::{
    Cell, CellShape, DefinitionError, Edge, OutputEdges, PerNode, Placement, SearchSpace, Wiring,
};

/// A field's name ends with this where it lists the concatenated nodes of the cell it begins with.
const CONCATENATED: &str = "_concat";

pub(super) fn check_definition(space: &SearchSpace) -> Result<(), DefinitionError> {
    for (index, shape) in space.cells.iter().enumerate() {
        if shape.name.ends_with(CONCATENATED) {
            let reason = format!("in the notation genotype {CONCATENATED} ends what is concatenated");
            return Err(DefinitionError::new(format!("cells[{index}].name"), reason));
        }
    }
    if space.placement != Placement::Edge {
        return Err(DefinitionError::new("placement", "the notation genotype has operations on edges"));
    }
    if per_node(space).is_none() {
        return Err(DefinitionError::new("wiring", "the notation genotype has so many edges per node"));
    }
    Ok(())
}

/// How many edges an architecture chooses per node, and which ones follow.
fn per_node(space: &SearchSpace) -> Option<(usize, OutputEdges)> {
    match space.wiring {
        Wiring::PerNode(PerNode { n_edges, output, .. }) => Some((n_edges, output)),
        Wiring::Complete | Wiring::Free { .. } => None,
    }
}

pub(super) fn print(space: &SearchSpace, cells: &[Cell]) -> String {
    let mut text = String::from("Genotype(");
    for (index, (shape, cell)) in space.cells.iter().zip(cells).enumerate() {
        let (chosen, derived): (Vec<&Edge>, Vec<&Edge>) =
            cell.edges.iter().partition(|edge| edge.target + 1 != cell.n_nodes);
        let chosen = chosen.iter().map(|edge| {
            let operation =
                space.operation(edge.operation.expect("operations of this notation sit on edges"));
            format!("('{}', {})", operation.name, edge.source)
        });
        let comma = if index == 0 { "" } else { ", " };
        let list = |items: Vec<String>| items.join(", ");
        write!(
            text,
            "{comma}{name}=[{}], {name}{CONCATENATED}=[{}]",
            list(chosen.collect()),
            list(derived.iter().map(|edge| edge.source.to_string()).collect()),
            name = shape.name,
        )
        .expect("writing to a string does not fail");
    }
    text + ")"
}

/// What is read of one cell.
#[derive(Default)]
struct Parts<'a> {
    edges: Option<Vec<Edge>>,
    /// The nodes, and where they are written.
    concatenated: Option<(Vec<usize>, Cursor<'a>)>,
}

pub(super) fn parse(space: &SearchSpace, text: &str) -> Result<Vec<Cell>, ParseError> {
    let (n_edges, output) = per_node(space).expect("checked by check_definition");
    let mut cursor = Cursor::new(text);
    cursor.skip_space();
    let start = cursor;
    if cursor.take_while(|c| c.is_ascii_alphabetic()) != "Genotype" {
        return Err(start.error("Genotype(..)"));
    }
    cursor.expect_after_space('(', "after Genotype")?;
    let mut parts: Vec<Parts> = space.cells.iter().map(|_| Parts::default()).collect();
    while !cursor.accepts(')') {
        field(space, n_edges, &mut cursor, &mut parts)?;
        if !cursor.accepts(',') {
            cursor.expect_after_space(')', "or ',' after a field")?;
            break;
        }
    }
    cursor.skip_space();
    cursor.expect_end()?;
    let cells = space.cells.iter().zip(parts).map(|(shape, parts)| {
        let (Some(chosen), Some((concatenated, place))) = (parts.edges, parts.concatenated) else {
            return Err(cursor.error_found(
                format!("fields {0} and {0}{CONCATENATED}", shape.name),
                "the end without them",
            ));
        };
        check_concatenated(shape, output, &chosen, &concatenated, &place)?;
        let edges = space.with_output_edges(shape, output, chosen);
        Ok(Cell { n_nodes: shape.n_nodes, node_operations: Vec::new(), edges })
    });
    cells.collect()
}

/// Reads `normal=[..]` or `normal_concat=[..]`.
fn field<'a>(
    space: &SearchSpace,
    n_edges: usize,
    cursor: &mut Cursor<'a>,
    parts: &mut [Parts<'a>],
) -> Result<(), ParseError> {
    cursor.skip_space();
    let start = *cursor;
    let name = cursor.take_while(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let cell = name.strip_suffix(CONCATENATED).unwrap_or(name);
    let found = space.cells.iter().zip(parts).find(|(shape, _)| shape.name == cell);
    let Some((shape, part)) = found else {
        let known: Vec<_> =
            space.cells.iter().map(|shape| format!("{0}, {0}{CONCATENATED}", shape.name)).collect();
        return Err(start.error(format!("a field ({})", known.join(", "))));
    };
    cursor.expect_after_space('=', "after the name of a field")?;
    let is_again = if name == cell { part.edges.is_some() } else { part.concatenated.is_some() };
    if is_again {
        return Err(start.error_found("each field once", format!("{name} again")));
    }
    cursor.skip_space();
    let place = *cursor;
    if name == cell {
        part.edges = Some(edges(space, shape, n_edges, cursor)?);
    } else {
        part.concatenated = Some((nodes(shape, cursor)?, place));
    }
    Ok(())
}

/// Reads `[('op', 0), ..]`, tuples in brackets of either kind.
fn edges(
    space: &SearchSpace,
    shape: &CellShape,
    n_edges: usize,
    cursor: &mut Cursor,
) -> Result<Vec<Edge>, ParseError> {
    let n_inner = shape.n_nodes - 1 - shape.n_inputs;
    let start = *cursor;
    let edges = cursor.list("the operations of a cell", n_inner * n_edges, |cursor, index| {
        let closing = if cursor.accepts('[') {
            ']'
        } else {
            cursor.expect_after_space('(', "before an operation and the node it reads")?;
            ')'
        };
        let operation = Some(cursor.quoted_operation(space)?);
        cursor.expect_after_space(',', "between the operation and the node it reads")?;
        cursor.skip_space();
        let start = *cursor;
        let target = shape.n_inputs + index / n_edges;
        let source = cursor.number(&format!("a node before node {target}"))?;
        if source >= target {
            return Err(start.error(format!("a node before node {target}")));
        }
        cursor.expect_after_space(closing, "after the node")?;
        Ok(Edge { source, target, operation })
    })?;
    if edges.len() < n_inner * n_edges {
        return Err(start.error_found(
            format!("{} operations, {n_edges} for each of {n_inner} nodes", n_inner * n_edges),
            format!("{} operations", edges.len()),
        ));
    }
    Ok(edges)
}

/// Reads `[2, 3, 4, 5]` or `range(2, 6)`.
fn nodes(shape: &CellShape, cursor: &mut Cursor) -> Result<Vec<usize>, ParseError> {
    if !cursor.next_is('r') {
        return cursor.list("the concatenated nodes", shape.n_nodes, |cursor, _| cursor.number("a node"));
    }
    let start = *cursor;
    if cursor.take_while(|c| c.is_ascii_alphabetic()) != "range" {
        return Err(start.error("[..] or range(..)"));
    }
    cursor.expect_after_space('(', "after range")?;
    let from = cursor.number("a node")?;
    cursor.expect_after_space(',', "between the ends of the range")?;
    let to = cursor.number("a node")?;
    cursor.expect_after_space(')', "after the range")?;
    Ok((from..to.min(shape.n_nodes)).collect())
}

fn check_concatenated(
    shape: &CellShape,
    output: OutputEdges,
    chosen: &[Edge],
    written: &[usize],
    place: &Cursor,
) -> Result<(), ParseError> {
    let expected: Vec<usize> = output_sources(shape, output, chosen).collect();
    let mut sorted = written.to_vec();
    sorted.sort_unstable();
    if sorted == expected {
        return Ok(());
    }
    let which = match output {
        OutputEdges::InnerNodes => "all inner nodes",
        OutputEdges::LooseEnds => "the nodes that no other reads",
    };
    let name = &shape.name;
    Err(place.error_found(format!("{name}{CONCATENATED} {expected:?}, {which}"), format!("{written:?}")))
}

#[cfg(test)]
mod tests;
