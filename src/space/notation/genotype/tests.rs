//! Texts of genotypes: which are refused, which mean the same.

use proptest::prelude::*;

use crate::space::{darts, enas};

/// An architecture of DARTS.
const TEXT: &str = "Genotype(\
    normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('dil_conv_3x3', 2), ('avg_pool_3x3', 1), \
    ('dil_conv_3x3', 1), ('sep_conv_3x3', 3), ('avg_pool_3x3', 1), ('dil_conv_3x3', 2)], \
    normal_concat=[2, 3, 4, 5], \
    reduce=[('skip_connect', 0), ('max_pool_3x3', 1), ('skip_connect', 0), ('avg_pool_3x3', 2), \
    ('sep_conv_3x3', 1), ('dil_conv_3x3', 3), ('skip_connect', 1), ('sep_conv_3x3', 4)], \
    reduce_concat=[2, 3, 4, 5])";

/// One of ENAS: edges 2 -> 4 twice, and loose ends.
const ENAS_TEXT: &str = "Genotype(\
    normal=[('max_pool_3x3', 0), ('avg_pool_3x3', 1), ('sep_conv_5x5', 1), ('skip_connect', 2), \
    ('max_pool_3x3', 2), ('max_pool_3x3', 2), ('sep_conv_5x5', 2), ('max_pool_3x3', 4), \
    ('avg_pool_3x3', 0), ('sep_conv_5x5', 2)], normal_concat=[3, 5, 6], \
    reduce=[('sep_conv_5x5', 1), ('skip_connect', 1), ('sep_conv_5x5', 1), ('sep_conv_3x3', 1), \
    ('sep_conv_3x3', 0), ('sep_conv_5x5', 3), ('max_pool_3x3', 2), ('max_pool_3x3', 1), \
    ('max_pool_3x3', 0), ('sep_conv_5x5', 5)], reduce_concat=[4, 6])";

fn changed(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the text has {from:?}");
    text.replacen(from, to, 1)
}

/// Each case is a part of [`TEXT`], what stands there instead, and the message.
fn check_refusals(cases: &[(&str, &str, &str)]) {
    for (from, to, message) in cases {
        let text = changed(TEXT, from, to);
        assert_eq!(darts().parse(&text).expect_err(&text).to_string(), *message, "{text}");
    }
}

#[test]
fn a_faulty_text_is_refused_with_place_and_expectation() {
    let cases = [
        ("Genotype(", "", "column 1: expected Genotype(..), found \"normal=[('sep_conv_3x3',\".."),
        (
            "Genotype(",
            "Genotype[",
            "column 9: expected '(' after Genotype, found \"[normal=[('sep_conv_3x3'\"..",
        ),
        (
            "normal=",
            "norm=",
            "column 10: expected a field (normal, normal_concat, reduce, reduce_concat), found \"norm=[('sep_conv_3x3', 0\"..",
        ),
        (
            "normal=",
            "normal:",
            "column 16: expected '=' after the name of a field, found \":[('sep_conv_3x3', 0), (\"..",
        ),
        (
            "normal=[",
            "normal=(",
            "column 17: expected '[' before the operations of a cell, found \"(('sep_conv_3x3', 0), ('\"..",
        ),
        (
            "'sep_conv_3x3', 0",
            "'sep_conv', 0",
            "column 19: expected an operation (none, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5, max_pool_3x3, avg_pool_3x3, skip_connect), found the unknown operation \"sep_conv\"",
        ),
        (
            "'sep_conv_3x3', 0",
            "sep_conv_3x3, 0",
            "column 19: expected '\"' before an operation, found \"sep_conv_3x3, 0), ('sep_\"..",
        ),
        (
            "'sep_conv_3x3', 0",
            "'sep_conv_3x3, 0",
            "column 19: expected an operation (none, sep_conv_3x3, sep_conv_5x5, dil_conv_3x3, dil_conv_5x5, max_pool_3x3, avg_pool_3x3, skip_connect), found the unknown operation \"sep_conv_3x3, 0), (\"",
        ),
        (
            "'sep_conv_3x3', 0",
            "'sep_conv_3x3'",
            "column 33: expected ',' between the operation and the node it reads, found \"), ('sep_conv_3x3', 1), \"..",
        ),
        (
            "'sep_conv_3x3', 0",
            "'sep_conv_3x3', 2",
            "column 35: expected a node before node 2, found \"2), ('sep_conv_3x3', 1),\"..",
        ),
        (
            "'sep_conv_3x3', 0",
            "'sep_conv_3x3', -1",
            "column 35: expected a node before node 2, found \"-1), ('sep_conv_3x3', 1)\"..",
        ),
        (
            "'sep_conv_3x3', 0",
            "'sep_conv_3x3', 99999999999999999999",
            "column 35: expected a node before node 2, found \"99999999999999999999), (\"..",
        ),
        (
            "'sep_conv_3x3', 0)",
            "'sep_conv_3x3', 0]",
            "column 36: expected ')' after the node, found \"], ('sep_conv_3x3', 1), \"..",
        ),
        (
            "('sep_conv_3x3', 0), ",
            "",
            "column 56: expected a node before node 2, found \"2), ('avg_pool_3x3', 1),\"..",
        ),
        (
            "('sep_conv_3x3', 0), ",
            "('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ",
            "column 186: expected ']' after 8 of the operations of a cell, found \"('dil_conv_3x3', 2)], no\"..",
        ),
    ];
    check_refusals(&cases);
}

#[test]
fn faulty_fields_and_graphs_are_refused_too() {
    let cases = [
        (
            "normal_concat=[2, 3, 4, 5]",
            "normal_concat=[2, 3, 4]",
            "column 201: expected normal_concat [2, 3, 4, 5], all inner nodes, found [2, 3, 4]",
        ),
        (
            "normal_concat=[2, 3, 4, 5]",
            "normal_concat=range(2, 600)",
            "column 201: expected normal_concat [2, 3, 4, 5], all inner nodes, found [2, 3, 4, 5, 6]",
        ),
        (
            "normal_concat=[2, 3, 4, 5]",
            "normal_concat=rang(2, 6)",
            "column 201: expected [..] or range(..), found \"rang(2, 6), reduce=[('sk\"..",
        ),
        (
            "normal_concat=[2, 3, 4, 5]",
            "normal_concat=[2, 2, 4, 5]",
            "column 201: expected normal_concat [2, 3, 4, 5], all inner nodes, found [2, 2, 4, 5]",
        ),
        (
            "normal_concat=[2, 3, 4, 5], ",
            "",
            "column 391: expected fields normal and normal_concat, found the end without them",
        ),
        ("reduce=", "normal=", "column 215: expected each field once, found normal again"),
        ("5])", "5]", "column 418: expected ')' or ',' after a field, found the end of the text"),
        ("5])", "5])é", "column 419: expected the end of the text, found \"é\""),
        ("'sep_conv_3x3', 1", "'sep_conv_3x3', 0", "cells[0].edges[1].source: node 2 reads node 0 already"),
    ];
    check_refusals(&cases);
}

#[test]
fn other_spellings_come_to_the_same_text() {
    let one_a_line = TEXT.replace(", ", "\n,").replace("=[", " = [ ").replace("])", "\n]\t) ");
    let (normal, reduce) =
        TEXT["Genotype(".len()..TEXT.len() - 1].split_at(TEXT.find("reduce=").expect("it has") - 9);
    let spellings = [
        TEXT.replace('\'', "\""),
        TEXT.replace(' ', ""),
        one_a_line,
        TEXT.replace("[2, 3, 4, 5]", "range(2, 6)"),
        TEXT.replace("[2, 3, 4, 5]", "[5, 4, 3, 2]"),
        TEXT.replace("),", "],").replace(")]", "]]").replace("('", "['"),
        TEXT.replace("])", "],)").replace(")]", "),]").replace("5]", "5,]"),
        format!("Genotype({reduce}, {})", normal.trim_end_matches(", ")),
    ];
    for spelling in spellings {
        assert_ne!(spelling, TEXT);
        assert_eq!(darts().parse(&spelling).expect(&spelling).text(), TEXT);
    }
}

#[test]
fn edges_keep_the_order_they_are_written_in() {
    let swapped =
        changed(TEXT, "('sep_conv_3x3', 0), ('sep_conv_3x3', 1)", "('sep_conv_3x3', 1), ('sep_conv_3x3', 0)");
    assert_eq!(darts().parse(&swapped).expect("valid").text(), swapped);
}

#[test]
fn enas_writes_parallel_edges_and_concatenates_loose_ends() {
    let architecture = enas().parse(ENAS_TEXT).expect("valid");
    assert_eq!(architecture.text(), ENAS_TEXT);
    let normal = &architecture.cells()[0];
    let n_parallel = normal.edges.iter().filter(|edge| (edge.source, edge.target) == (2, 4)).count();
    assert_eq!(n_parallel, 2);
    let read: Vec<_> = normal.edges.iter().filter(|edge| edge.target == 7).map(|edge| edge.source).collect();
    assert_eq!(read, [3, 5, 6]);
    assert!(normal.edges[10..].iter().all(|edge| edge.operation == enas().first_skip()));
}

#[test]
fn loose_ends_that_are_not_those_of_the_cell_are_refused() {
    for (to, found) in
        [("[3, 6]", "[3, 6]"), ("[3, 5, 6, 6]", "[3, 5, 6, 6]"), ("range(2, 7)", "[2, 3, 4, 5, 6]")]
    {
        let refused = enas().parse(&changed(ENAS_TEXT, "[3, 5, 6]", to)).expect_err(to);
        assert_eq!(
            refused.to_string(),
            format!(
                "column 243: expected normal_concat [3, 5, 6], the nodes that no other reads, found {found}"
            )
        );
    }
}

#[test]
fn a_cell_whose_name_would_be_taken_for_what_is_concatenated_is_refused() {
    let definition = include_str!("../../registry/enas.toml").replace("\"reduce\"", "\"normal_concat\"");
    let refused = toml::from_str::<crate::space::SearchSpace>(&definition).expect_err("ambiguous");
    assert_eq!(
        refused.message(),
        "cells[1].name: in the notation genotype _concat ends what is concatenated"
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(
        text in "(Genotype\\(|normal|reduce|_concat|=|\\[|\\]|\\(|\\)|,|'|\"|range|none|é|[0-9]|[a-z ]){0,60}",
    ) {
        prop_assert!(darts().parse(&text).is_err());
        prop_assert!(enas().parse(&text).is_err());
    }
}
