//! Ids in the spaces with concatenated outputs, reduction cells and operations on nodes.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::relabelling::relabelled_among;
use crate::space::canonical::labelling::{canonical_order, reorder};
use crate::space::canonical::reduce::reduce;
use crate::space::{
    Architecture, CanonicalId, Cell, CellShape, Edge, OperationIndex, SearchSpace, builtins, darts, enas,
    nasbench101, nasbench201,
};

/// Twice the same cell, as written in a genotype without `normal=[..]`.
fn twice(cell: &str) -> String {
    format!(
        "Genotype(normal=[{cell}], normal_concat=range(2, 6), reduce=[{cell}], reduce_concat=range(2, 6))"
    )
}

fn form(text: &str) -> String {
    darts().parse(text).expect("valid").canonical().form.to_string()
}

/// Node 2 is `0 + pool(1)`, node 3 is node 2 and `pool(0)`, the others are empty. From an input of the reduction
/// cell the skip is strided, from node 2 it is not.
#[test]
fn a_skip_is_contracted_only_where_it_is_the_identity() {
    let cell = "('skip_connect', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), \
                ('none', 0), ('none', 1), ('none', 0), ('none', 1)";
    let normal = "input0; input1; max_pool_3x3(0); max_pool_3x3(1); part(0+3); part(0+2+3); output(4+5)";
    let reduce = "input0; input1; max_pool_3x3(0); max_pool_3x3(1); skip_connect(0); part(2+3+4); part(3+4); \
                  output(5+6)";
    assert_eq!(form(&twice(cell)), format!("{normal} / {reduce}"));
}

/// A cell whose nodes 2 and 3 read these, and whose others are empty.
fn pairs(first: [&str; 2], second: [&str; 2]) -> String {
    let [[a, b], [c, d]] = [first, second];
    let cell = format!("('{a}', 0), ('{b}', 1), ('{c}', 0), ('{d}', 1)");
    form(&twice(&format!("{cell}, ('none', 0), ('none', 1), ('none', 0), ('none', 1)")))
}

#[test]
fn concatenated_parts_are_told_apart_but_not_their_order() {
    let pairing = pairs(["sep_conv_3x3", "sep_conv_5x5"], ["dil_conv_3x3", "dil_conv_5x5"]);
    let turned = pairs(["dil_conv_3x3", "dil_conv_5x5"], ["sep_conv_3x3", "sep_conv_5x5"]);
    let other = pairs(["sep_conv_3x3", "dil_conv_5x5"], ["dil_conv_3x3", "sep_conv_5x5"]);
    assert_eq!(pairing, turned);
    assert_ne!(pairing, other);
}

/// Where the output adds up, both pairings are the same sum.
#[test]
fn summed_parts_are_not_told_apart() {
    let definition = include_str!("../../registry/darts.toml")
        .replace("output = \"concatenation\"", "output = \"sum\"")
        .replace("skeleton = \"nasbench301\"", "");
    let space: Arc<SearchSpace> = Arc::new(toml::from_str(&definition).expect("sound"));
    let id = |last: [&str; 2]| {
        let [b, d] = last;
        let cell = format!(
            "('sep_conv_3x3', 0), ('{b}', 1), ('dil_conv_3x3', 0), ('{d}', 1), \
             ('none', 0), ('none', 1), ('none', 0), ('none', 1)"
        );
        space.parse(&twice(&cell)).expect("valid").canonical().id
    };
    assert_eq!(id(["sep_conv_5x5", "dil_conv_5x5"]), id(["dil_conv_5x5", "sep_conv_5x5"]));
}

#[test]
fn ids_of_two_spaces_never_collide() {
    let mut seen = HashSet::new();
    for space in builtins() {
        for architecture in space.sample(50, 1) {
            let id = architecture.canonical().id.to_string();
            assert!(id.starts_with(&format!("{}.c1.", space.name)), "{id}");
            seen.insert((space.name.clone(), id));
        }
    }
    assert_eq!(seen.iter().map(|(_, id)| id).collect::<HashSet<_>>().len(), seen.len());
    let definition = include_str!("../../registry/darts.toml").replacen("\"darts\"", "\"darts2\"", 1);
    let other: Arc<SearchSpace> = Arc::new(toml::from_str(&definition).expect("sound"));
    let sample = &darts().sample(1, 1)[0];
    let same_text = other.parse(sample.text()).expect("the same but for its name");
    assert_eq!(same_text.canonical().form.to_string(), sample.canonical().form.to_string());
    assert_ne!(same_text.canonical().id, sample.canonical().id);
}

/// The classes that NAS-Bench-101 has of modules with two to five live nodes, none of which has over nine edges
/// but the complete one of five.
#[test]
fn small_modules_have_as_many_classes_as_the_benchmark() {
    let n_classes = |n_nodes: usize| {
        let ids: HashSet<CanonicalId> = modules(n_nodes).map(|module| module.canonical().id).collect();
        ids.len()
    };
    assert_eq!([2, 3, 4, 5].map(n_classes), [1, 6, 84, 2_441]);
}

/// Every module of the space with so many nodes, all of them live.
fn modules(n_nodes: usize) -> impl Iterator<Item = Architecture> {
    let pairs: Vec<_> =
        (1..n_nodes).flat_map(|target| (0..target).map(move |source| (source, target))).collect();
    let n_operations = 3_usize;
    let choices = (0..1_usize << pairs.len())
        .flat_map(move |edges| (0..n_operations.pow(n_nodes as u32 - 2)).map(move |labels| (edges, labels)));
    choices.filter_map(move |(edges, labels)| {
        let chosen = pairs.iter().enumerate().filter(|(index, _)| edges >> index & 1 == 1);
        let digit = |place: usize| OperationIndex(labels / n_operations.pow(place as u32) % n_operations);
        let cell = Cell {
            n_nodes,
            node_operations: (0..n_nodes - 2).map(digit).collect(),
            edges: chosen.map(|(_, &(source, target))| Edge { source, target, operation: None }).collect(),
        };
        let is_live = nasbench101().liveness(&nasbench101().cells[0], &cell).nodes.iter().all(|node| *node);
        if is_live { nasbench101().architecture(vec![cell]).ok() } else { None }
    })
}

/// The same architecture with the nodes of its cells renumbered and the edges into each node listed in another
/// order.
fn relabelled(architecture: &Architecture, priorities: &[u32]) -> Architecture {
    let space = architecture.space();
    let cells = space.cells.iter().zip(architecture.cells()).map(|(shape, cell)| {
        let mut cell = relabelled_among(shape.n_inputs, cell, priorities);
        let output = cell.n_nodes - 1;
        cell.edges.sort_by_key(|edge| (edge.target, if edge.target == output { edge.source } else { 0 }));
        cell
    });
    space.architecture(cells.collect()).expect("a way to write the same")
}

proptest! {
    #[test]
    fn a_relabelled_architecture_keeps_its_id(
        seed in any::<u64>(),
        priorities in prop::collection::vec(any::<u32>(), 64),
    ) {
        for space in [darts(), enas(), nasbench101()] {
            let architecture = &space.sample(1, seed)[0];
            let relabelled = relabelled(architecture, &priorities);
            prop_assert_eq!(relabelled.canonical().id, architecture.canonical().id);
        }
    }
}

/// Sums of sums of skips: a term of the output would be there thousands of times.
#[test]
fn a_representative_stays_small_however_often_a_term_is_added_up() {
    let shape = CellShape { name: "cell".into(), n_nodes: 16, n_inputs: 1, min_nodes: None, reduces: false };
    let space = Arc::new(SearchSpace { cells: vec![shape], ..(*nasbench201()).clone() });
    let skip = space.first_skip();
    let edges = (1..16).flat_map(|target| (0..target).map(move |source| (source, target)));
    let edges = edges.map(|(source, target)| Edge { source, target, operation: skip });
    let cell = Cell { n_nodes: 16, node_operations: Vec::new(), edges: edges.collect() };
    let canonical = Architecture::from_valid(space, vec![cell], "").canonical();
    assert_eq!(canonical.form.to_string(), "input0; output(16384*0)");
    assert_eq!(canonical.representatives()[0].cell.edges.len(), 8);
}

/// A representative is a graph that computes what the architecture computes: reduced again, it comes to the same form.
#[test]
fn a_representative_belongs_to_its_class() {
    for space in builtins() {
        for architecture in space.sample(200, 4) {
            let canonical = architecture.canonical();
            let representatives = canonical.representatives();
            for ((representative, form), shape) in
                representatives.iter().zip(canonical.form.cells()).zip(&space.cells)
            {
                let cell = &representative.cell;
                let shape = CellShape { n_nodes: cell.n_nodes, ..shape.clone() };
                let vertices = reduce(&space, &shape, cell).vertices;
                assert_eq!(&reorder(&vertices, &canonical_order(&vertices)), form, "{architecture}");
                assert!(cell.edges.iter().all(|edge| edge.source < edge.target), "{architecture}");
            }
        }
    }
}
