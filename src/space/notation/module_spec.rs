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
        Wiring::Complete | Wiring::PerNode(_) => refuse("wiring", "the notation module_spec has free wiring"),
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::space::nasbench101;

    /// A module of three nodes.
    const TEXT: &str = r#"{"module_adjacency":[[0,1,1],[0,0,1],[0,0,0]],"module_operations":["input","maxpool3x3","output"]}"#;

    /// A chain of 3x3 convolutions.
    fn chain(n_nodes: usize) -> String {
        let row = |source| {
            let entries = (0..n_nodes).map(|target| if target == source + 1 { "1" } else { "0" });
            format!("[{}]", entries.collect::<Vec<_>>().join(","))
        };
        let rows: Vec<_> = (0..n_nodes).map(row).collect();
        let mut operations = vec![r#""conv3x3-bn-relu""#; n_nodes];
        operations[0] = r#""input""#;
        operations[n_nodes - 1] = r#""output""#;
        let (rows, operations) = (rows.join(","), operations.join(","));
        format!(r#"{{"module_adjacency":[{rows}],"module_operations":[{operations}]}}"#)
    }

    #[test]
    fn a_faulty_text_is_refused_with_place_and_expectation() {
        let cases = [
            (TEXT, "", "column 1: expected '{' before the module, found the end of the text"),
            (TEXT, "{}", "column 2: expected both module_adjacency and module_operations, found \"}\""),
            (TEXT, "[]", "column 1: expected '{' before the module, found \"[]\""),
            (
                "module_adjacency",
                "adjacency",
                "column 2: expected module_adjacency and module_operations, each once, found \"\\\"adjacency\\\":[[0,1,1],[0,\"..",
            ),
            (
                "module_operations",
                "module_adjacency",
                "column 47: expected module_adjacency and module_operations, each once, found \"\\\"module_adjacency\\\":[\\\"inp\"..",
            ),
            ("[[0,1,1]", "[[0,1,2]", "column 27: expected 0 or 1, found \"2],[0,0,1],[0,0,0]],\\\"mod\".."),
            ("[[0,1,1]", "[[0,1,-1]", "column 27: expected 0 or 1, found \"-1],[0,0,1],[0,0,0]],\\\"mo\".."),
            (
                "[[0,1,1]",
                "[[0,1]",
                "column 22: expected 3 entries, as many as there are rows, found 2 entries",
            ),
            (
                "[[0,1,1]",
                "[[0,1,1,0,0,0,0,0]",
                "column 37: expected ']' after 7 of the entries of a row, found \"0],[0,0,1],[0,0,0]],\\\"mod\"..",
            ),
            (
                "[[0,1,1]",
                "[[1,1,1]",
                "column 23: expected 0, for no edge leads from node 0 back to 0, found \"1,1,1],[0,0,1],[0,0,0]],\"..",
            ),
            (
                "[0,0,0]]",
                "[1,0,0]]",
                "column 39: expected 0, for no edge leads from node 2 back to 0, found \"1,0,0]],\\\"module_operatio\"..",
            ),
            (",[0,0,0]]", "]", "column 22: expected 2 entries, as many as there are rows, found 3 entries"),
            (
                "\"maxpool3x3\"",
                "\"maxpool\"",
                "column 76: expected an operation (conv1x1-bn-relu, conv3x3-bn-relu, maxpool3x3, none), found the unknown operation \"maxpool\"",
            ),
            (
                "\"maxpool3x3\"",
                "maxpool3x3",
                "column 76: expected '\"' before an operation, found \"maxpool3x3,\\\"output\\\"]}\"",
            ),
            (
                "\"maxpool3x3\"",
                "\"maxpool3x3'",
                "column 90: expected ']' or ',' within the operations, found \"output\\\"]}\"",
            ),
            (
                "\"maxpool3x3\",",
                "",
                "column 67: expected an operation for each of 3 nodes, as the matrix has, found 2 operations",
            ),
            (
                "\"input\",",
                "",
                "column 67: expected operations from \"input\" to \"output\", found \"[\\\"maxpool3x3\\\",\\\"output\\\"]}\"",
            ),
            (
                "\"input\",\"maxpool3x3\",\"output\"",
                "",
                "column 67: expected operations from \"input\" to \"output\", found \"[]}\"",
            ),
            (
                "\"output\"]}",
                "\"output\"]",
                "column 98: expected '}' after the module, found the end of the text",
            ),
            ("\"output\"]}", "\"output\"]},", "column 99: expected the end of the text, found \",\""),
            (
                "[[0,1,1],[0,0,1]",
                "[[0,1,0],[0,0,0]",
                "cells[0].edges: no path leads from an input to the output",
            ),
        ];
        for (from, to, message) in cases {
            assert!(TEXT.contains(from), "the text has {from:?}");
            let text = TEXT.replacen(from, to, 1);
            assert_eq!(nasbench101().parse(&text).expect_err(&text).to_string(), message, "{text}");
        }
    }

    #[test]
    fn other_spellings_come_to_the_same_text() {
        let spellings = [
            "{'module_adjacency': [[0, 1, 1], [0, 0, 1], [0, 0, 0]], \
             'module_operations': ['input', 'maxpool3x3', 'output']}",
            r#"{"module_operations":["input","maxpool3x3","output"],"module_adjacency":[[0,1,1],[0,0,1],[0,0,0]]}"#,
            "\n{ 'module_adjacency' : [ [0,1,1,], [0,0,1,], [0,0,0,], ],\n\
             \t'module_operations' : [ 'input', \"maxpool3x3\", 'output', ], }\n",
        ];
        for spelling in spellings {
            assert_eq!(nasbench101().parse(spelling).expect(spelling).text(), TEXT);
        }
    }

    #[test]
    fn modules_have_two_to_seven_nodes() {
        for n_nodes in 2..=7 {
            let architecture = nasbench101().parse(&chain(n_nodes)).expect("allowed");
            assert_eq!(architecture.text(), chain(n_nodes));
            assert_eq!(architecture.cells()[0].n_nodes, n_nodes);
            assert_eq!(architecture.operations().count(), n_nodes - 2);
        }
        let refusals =
            [1, 8].map(|n_nodes| nasbench101().parse(&chain(n_nodes)).expect_err("refused").to_string());
        assert_eq!(
            refusals,
            [
                "column 47: expected operations from \"input\" to \"output\", found \"[\\\"output\\\"]}\"",
                "column 37: expected ']' after 7 of the entries of a row, found \"0],[0,0,1,0,0,0,0,0],[0,\".."
            ]
        );
    }

    /// Node 1 leads nowhere, and nothing leads to node 2.
    #[test]
    fn a_module_with_dead_nodes_is_kept_as_written() {
        let text = r#"{"module_adjacency":[[0,1,0,1,1],[0,0,0,0,0],[0,0,0,1,1],[0,0,0,0,1],[0,0,0,0,0]],"module_operations":["input","maxpool3x3","conv3x3-bn-relu","conv1x1-bn-relu","output"]}"#;
        let architecture = nasbench101().parse(text).expect("the live part is a module");
        assert_eq!(architecture.text(), text);
        let pruned = r#"{"module_adjacency":[[0,1,1],[0,0,1],[0,0,0]],"module_operations":["input","conv1x1-bn-relu","output"]}"#;
        assert_eq!(architecture.canonical().id, nasbench101().parse(pruned).expect("valid").canonical().id);
    }

    /// Many edges between the first six of seven nodes, of which `into_output` says whether the output reads them.
    fn crowded(into_output: [u8; 6]) -> String {
        let rows = ["0,1,1,1,1,1", "0,0,1,1,1,0", "0,0,0,1,1,0", "0,0,0,0,1,0", "0,0,0,0,0,0", "0,0,0,0,0,0"];
        let rows: Vec<_> =
            rows.iter().zip(into_output).map(|(row, last)| format!("[{row},{last}]")).collect();
        let rows = rows.join(",");
        let operations = r#""maxpool3x3","#.repeat(5);
        format!(
            r#"{{"module_adjacency":[{rows},[0,0,0,0,0,0,0]],"module_operations":["input",{operations}"output"]}}"#
        )
    }

    #[test]
    fn only_edges_on_a_path_from_input_to_output_are_counted() {
        assert!(nasbench101().parse(&crowded([0, 0, 0, 0, 0, 1])).is_ok());
        assert!(nasbench101().parse(&crowded([0, 0, 0, 1, 0, 1])).is_ok());
        let refused = nasbench101().parse(&crowded([0, 0, 0, 0, 1, 1])).expect_err("thirteen live edges");
        assert_eq!(refused.to_string(), "cells[0].edges: 13 edges are more than 9");
        let refused = nasbench101().parse(&crowded([0, 0, 0, 0, 0, 0])).expect_err("unconnected");
        assert_eq!(refused.to_string(), "cells[0].edges: no path leads from an input to the output");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(
            text in "(\\{|\\}|\\[|\\]|,|:|'|\"|module_adjacency|module_operations|input|output|[01]|[a-z é]){0,60}",
        ) {
            prop_assert!(nasbench101().parse(&text).is_err());
        }

        #[test]
        fn any_matrix_is_read_or_refused_and_what_is_read_is_printed_as_written(
            matrix in (1_usize..9).prop_flat_map(|n| prop::collection::vec(prop::collection::vec(0..2_u8, n), n)),
            n_operations in 0_usize..7,
        ) {
            let upper = matrix.iter().enumerate().map(|(source, row)| {
                row.iter().enumerate().map(|(target, entry)| if source < target { *entry } else { 0 }).collect::<Vec<_>>()
            });
            let operations = ["\"conv1x1-bn-relu\","; 7][..n_operations].concat();
            let text = format!("{{\"module_adjacency\":{:?},\"module_operations\":[\"input\",{operations}\"output\"]}}", upper.collect::<Vec<_>>());
            if let Ok(architecture) = nasbench101().parse(&text) {
                prop_assert_eq!(architecture.text(), text.replace(' ', ""));
            }
        }
    }
}
