//! What pictures show.

use proptest::prelude::*;

use super::*;
use crate::space::{Cell, Edge, Wiring, builtins, darts, enas, nasbench101, nasbench201};

/// The content of each `<text>`, and its colour.
fn texts(svg: &str) -> Vec<(&str, &str)> {
    let texts = svg.lines().filter(|line| line.starts_with("<text "));
    texts
        .map(|line| {
            let (_, after) = line.split_once(" fill=\"").expect("every text has a colour");
            let (colour, after) = after.split_once("\">").expect("the last attribute");
            (after.strip_suffix("</text>").expect("a text is a line"), colour)
        })
        .collect()
}

/// Reads tags as a parser of XML would, of which the images use no more than this.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once('<') {
        assert!(!before.contains('>'), "{before:?} is text");
        let (tag, after) = after.split_once('>').expect("every tag ends");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag:?} has its values in quotes");
        assert!(!tag.contains('<'), "{tag:?}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{tag:?} closes what was opened");
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().expect("a name"));
        }
        rest = after;
    }
    assert_eq!((open.len(), rest.trim()), (0, ""));
}

#[test]
fn images_are_well_formed_and_always_the_same() {
    for space in builtins() {
        for architecture in space.sample(50, 2) {
            let svg = architecture.svg();
            assert_well_formed(&svg);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert_eq!(svg, architecture.svg());
        }
    }
}

#[test]
fn text_is_escaped() {
    assert_eq!(escaped("a<b>&c"), "a&lt;b&gt;&amp;c");
}

/// Of the skips in output edges that follow from the others there is no box: they are no choice.
#[test]
fn every_chosen_operation_has_a_box_with_its_name() {
    for architecture in builtins().flat_map(|space| space.sample(20, 4)) {
        let (space, svg) = (architecture.space(), architecture.svg());
        let texts: Vec<&str> = texts(&svg).into_iter().map(|(text, _)| text).collect();
        let is_chosen = |cell: &Cell, edge: &&Edge| {
            !matches!(space.wiring, Wiring::PerNode(_)) || edge.target + 1 < cell.n_nodes
        };
        let on_edges = architecture.cells().iter().flat_map(|cell| {
            cell.edges.iter().filter(|edge| is_chosen(cell, edge)).filter_map(|edge| edge.operation)
        });
        let on_nodes = architecture.cells().iter().flat_map(|cell| cell.node_operations.iter().copied());
        let chosen: Vec<_> = on_nodes.chain(on_edges).collect();
        for (index, operation) in space.operations.iter().enumerate() {
            let n_chosen = chosen.iter().filter(|chosen| chosen.0 == index).count();
            let n_drawn = texts.iter().filter(|text| **text == operation.name).count();
            assert_eq!(n_drawn, n_chosen, "{} in {svg}", operation.name);
        }
    }
}

#[test]
fn cells_inputs_and_output_are_named() {
    let named = |architecture: &Architecture, names: &[&str]| {
        let svg = architecture.svg();
        let texts: Vec<&str> = texts(&svg).into_iter().map(|(text, _)| text).collect();
        assert!(names.iter().all(|name| texts.contains(name)), "{texts:?}");
    };
    named(
        &darts().sample(1, 4)[0],
        &["normal", "reduce", "input 0", "input 1", "output", "2", "3", "4", "5"],
    );
    named(&nasbench101().sample(1, 4)[0], &["cell", "input", "output"]);
}

#[test]
fn what_has_no_path_from_input_to_output_is_grey() {
    let text = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_1x1~2|";
    let svg = nasbench201().parse(text).expect("valid").svg();
    for (text, colour) in texts(&svg) {
        let is_live = ["cell", "input", "output", "skip_connect"].contains(&text);
        assert_eq!(colour, if is_live { INK } else { GREY_TEXT }, "{text}");
    }
    let dead = "{\"module_adjacency\":[[0,1,1,1],[0,0,0,1],[0,0,0,0],[0,0,0,0]],\
                \"module_operations\":[\"input\",\"conv3x3-bn-relu\",\"maxpool3x3\",\"output\"]}";
    let svg = nasbench101().parse(dead).expect("valid").svg();
    let grey: Vec<_> = texts(&svg).into_iter().filter(|(_, colour)| *colour == GREY_TEXT).collect();
    assert_eq!(grey, [("maxpool3x3", GREY_TEXT)]);
}

#[test]
fn skips_and_missing_connections_are_dashed() {
    let text = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|";
    let svg = nasbench201().parse(text).expect("valid").svg();
    assert_eq!(svg.matches(DASHES).count(), 4, "two boxes and two lines");
}

#[test]
fn parallel_edges_are_drawn_apart() {
    let cell = "('sep_conv_3x3', 0), ('sep_conv_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), \
                ('skip_connect', 3), ('skip_connect', 3), ('skip_connect', 4), ('skip_connect', 4), \
                ('skip_connect', 5), ('skip_connect', 5)";
    let text = format!("Genotype(normal=[{cell}], normal_concat=[6], reduce=[{cell}], reduce_concat=[6])");
    let svg = enas().parse(&text).expect("valid").svg();
    let mut boxes: Vec<_> = svg.lines().filter(|line| line.contains("sep_conv_3x3")).collect();
    assert_eq!(boxes.len(), 4);
    boxes.dedup();
    assert_eq!(boxes.len(), 4, "no two stand in the same place");
}

proptest! {
    #[test]
    fn any_architecture_can_be_drawn(seed in any::<u64>()) {
        for space in builtins() {
            assert_well_formed(&space.sample(1, seed)[0].svg());
        }
    }
}
