//! Graphs full of look-alikes: the search must neither be fooled by them nor get lost in them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::space::OperationIndex;
use crate::space::canonical::form::{Label, Vertex};
use crate::space::canonical::labelling::{canonical_order, reorder};

fn operation(reads: &[usize]) -> Vertex {
    Vertex {
        label: Label::Operation(OperationIndex(0)),
        sum: reads.iter().map(|&vertex| (vertex, 1)).collect(),
    }
}

/// One input, `layers` of operations that read vertices given by number, an output that reads the
/// last layer.
fn graph(layers: &[Vec<Vec<usize>>]) -> Vec<Vertex> {
    let mut vertices = vec![Vertex { label: Label::Input(0), sum: BTreeMap::new() }];
    for layer in layers {
        vertices.extend(layer.iter().map(|reads| operation(reads)));
    }
    let n_last = layers.last().map_or(0, Vec::len);
    let last = vertices.len() - n_last..vertices.len();
    vertices.push(Vertex { label: Label::Output, sum: last.map(|vertex| (vertex, 1)).collect() });
    vertices
}

fn canonical(vertices: &[Vertex]) -> Vec<Vertex> {
    reorder(vertices, &canonical_order(vertices))
}

/// Vertices 1 to 6 of a first layer, each pair in `pairs` read by one vertex of a second.
fn read_in_pairs(pairs: [(usize, usize); 6]) -> Vec<Vertex> {
    graph(&[vec![vec![0]; 6], pairs.into_iter().map(|(left, right)| vec![left, right]).collect()])
}

/// Refinement alone cannot tell one ring of six from two rings of three.
#[test]
fn graphs_that_look_alike_from_every_vertex_are_told_apart() {
    let ring = read_in_pairs([(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 1)]);
    let twisted = read_in_pairs([(1, 4), (4, 2), (2, 6), (6, 3), (3, 5), (5, 1)]);
    let two_rings = read_in_pairs([(1, 2), (2, 3), (3, 1), (4, 5), (5, 6), (6, 4)]);
    assert_eq!(canonical(&ring), canonical(&twisted));
    assert_ne!(canonical(&ring), canonical(&two_rings));
}

/// 40 interchangeable chains have 40! orders that look the same, 128 parallel operations 128!.
#[test]
fn many_interchangeable_parts_are_no_burden() {
    let chains = graph(&[vec![vec![0]; 40], (1..=40).map(|vertex| vec![vertex]).collect()]);
    let crossed = graph(&[vec![vec![0]; 40], (1..=40).rev().map(|vertex| vec![vertex]).collect()]);
    assert_eq!(canonical(&chains), canonical(&crossed));
    let parallel = graph(&[vec![vec![0]; 128]]);
    assert_eq!(canonical(&parallel), parallel);
}

proptest! {
    #[test]
    fn every_numbering_of_a_symmetric_graph_has_one_canonical_form(
        pairs in prop::array::uniform6((1_usize..7, 1_usize..7)),
        numbers in Just([1, 2, 3, 4, 5, 6]).prop_shuffle(),
        order in Just([0, 1, 2, 3, 4, 5]).prop_shuffle(),
    ) {
        let number = |vertex: usize| numbers[vertex - 1];
        let renumbered = order.map(|place| (number(pairs[place].1), number(pairs[place].0)));
        prop_assert_eq!(canonical(&read_in_pairs(pairs)), canonical(&read_in_pairs(renumbered)));
    }
}
