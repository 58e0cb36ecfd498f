//! `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`: NAS-Bench-201's notation, for cells of any size.
//!
//! One group for each node but the input, in it one operation for each earlier node: a complete
//! graph, where a missing connection is written as an operation too.

use std::fmt::Write;

use super::text::{Cursor, ParseError};
use crate::space::{Cell, DefinitionError, Edge, OperationIndex, Placement, SearchSpace, Wiring};

pub(super) fn check_definition(space: &SearchSpace) -> Result<(), DefinitionError> {
    if space.placement != Placement::Edge {
        return Err(DefinitionError::new("placement", "the notation edge_groups has operations on edges"));
    }
    if space.cells.len() != 1 {
        return Err(DefinitionError::new("cells", "the notation edge_groups has one cell"));
    }
    if space.wiring != Wiring::Complete {
        return Err(DefinitionError::new("wiring", "the notation edge_groups has complete wiring"));
    }
    if space.cells[0].n_inputs != 1 {
        return Err(DefinitionError::new("cells[0].n_inputs", "the notation edge_groups has one input node"));
    }
    Ok(())
}

pub(super) fn print(space: &SearchSpace, cells: &[Cell]) -> String {
    let mut text = String::new();
    for edge in &cells[0].edges {
        match (edge.source, edge.target) {
            (0, 1) => text.push('|'),
            (0, _) => text.push_str("+|"),
            _ => {}
        }
        let operation = space.operation(edge.operation.expect("operations of this notation sit on edges"));
        write!(text, "{}~{}|", operation.name, edge.source).expect("writing to a string does not fail");
    }
    text
}

pub(super) fn parse(space: &SearchSpace, text: &str) -> Result<Vec<Cell>, ParseError> {
    let mut cursor = Cursor::new(text);
    let mut edges = Vec::new();
    for target in 1..space.cells[0].n_nodes {
        if target > 1 {
            cursor.expect('+', &format!("before the edges into node {target}"))?;
        }
        cursor.expect('|', &format!("before the edges into node {target}"))?;
        for source in 0..target {
            let operation = Some(operation(space, &mut cursor)?);
            edges.push(Edge { source, target, operation });
            cursor.expect('~', "between the operation and its source node")?;
            check_source(&mut cursor, source, target)?;
            cursor.expect('|', &format!("after the edge {source} -> {target}"))?;
        }
    }
    cursor.expect_end()?;
    Ok(vec![Cell { n_nodes: space.cells[0].n_nodes, node_operations: Vec::new(), edges }])
}

fn operation(space: &SearchSpace, cursor: &mut Cursor) -> Result<OperationIndex, ParseError> {
    let start = *cursor;
    let name = cursor.take_while(|c| !"~|+".contains(c));
    space.operation_named(name).ok_or_else(|| start.unknown_operation(space, name))
}

/// Steps over the source node, which the place of the edge has settled already.
fn check_source(cursor: &mut Cursor, source: usize, target: usize) -> Result<(), ParseError> {
    let start = *cursor;
    let digits = cursor.take_while(|c| c.is_ascii_digit());
    if digits == source.to_string() {
        return Ok(());
    }
    let expected = format!("source node {source}, as every node earlier than {target} has its edge in order");
    Err(match digits.parse::<usize>() {
        Ok(node) if node >= target => {
            start.error_found(expected, format!("node {node}, which is not earlier than node {target}"))
        }
        Ok(_) | Err(_) => start.error(expected),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::space::{ParseError, nasbench201};

    #[test]
    fn a_faulty_text_is_refused_with_place_and_expectation() {
        let cases = [
            ("", "column 1: expected '|' before the edges into node 1, found the end of the text"),
            (
                "|conv~0|",
                "column 2: expected an operation (none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3), \
                 found the unknown operation \"conv\"",
            ),
            (
                "|~0|",
                "column 2: expected an operation (none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3), \
                 found \"~0|\"",
            ),
            (
                "|none~3|",
                "column 7: expected source node 0, as every node earlier than 1 has its edge in order, \
                 found node 3, which is not earlier than node 1",
            ),
            (
                "|none~0|+|none~1|",
                "column 16: expected source node 0, as every node earlier than 2 has its edge in order, \
                 found \"1|\"",
            ),
            ("|none~0|+", "column 10: expected '|' before the edges into node 2, found the end of the text"),
            (
                "|none~0|+|none~0|+",
                "column 18: expected an operation (none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3), \
                 found \"+\"",
            ),
            ("|none~0|none~0|", "column 9: expected '+' before the edges into node 2, found \"none~0|\""),
            (
                "|none~0|+|none~0|none~1|+|none~0|none~1|none~2",
                "column 47: expected '|' after the edge 2 -> 3, found the end of the text",
            ),
            (
                "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+|none~0|none~1|none~2|none~3|",
                "column 48: expected the end of the text, found \"+|none~0|none~1|none~2|n\"..",
            ),
            (
                "|néné~0|+",
                "column 2: expected an operation (none, skip_connect, nor_conv_1x1, nor_conv_3x3, avg_pool_3x3), found the unknown operation \"néné\"",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(nasbench201().parse(text).expect_err(text).to_string(), message, "{text}");
        }
    }

    #[test]
    fn a_text_too_long_to_be_read_is_refused_unread() {
        let refused = nasbench201().parse(&"é".repeat(33_000)).expect_err("too long");
        assert_eq!(
            refused.to_string(),
            "column 32769: expected the text to end within 65536 bytes, found 66000 bytes"
        );
    }

    #[test]
    fn every_architecture_is_printed_as_it_was_written() {
        for architecture in nasbench201().enumerate().expect("finite") {
            let read = nasbench201().parse(architecture.text()).expect("printed by the space itself");
            assert_eq!(read.cells(), architecture.cells());
            let printed = nasbench201().architecture(read.cells().to_vec()).expect("the same graph");
            assert_eq!(printed.text(), architecture.text());
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(\\||\\+|~|none|skip_connect|é|[0-9]|[a-z ]){0,40}") {
            if let Ok(architecture) = nasbench201().parse(&text) {
                prop_assert_eq!(architecture.text(), text);
            }
        }

        #[test]
        fn a_character_too_few_is_noticed_at_its_place_or_after(seed in any::<u64>(), cut in any::<prop::sample::Index>()) {
            let mut text = nasbench201().sample(1, seed)[0].text().to_owned();
            let cut = cut.index(text.len());
            text.remove(cut);
            let refused = nasbench201().parse(&text).expect_err("one character is missing");
            let ParseError::Text { column, .. } = refused else { panic!("{refused} has no place") };
            prop_assert!((1..=text.len() + 1).contains(&column));
        }
    }
}
