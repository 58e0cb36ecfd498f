//! Ids do not depend on how nodes are numbered and edges listed, in spaces of any kind.

use std::sync::Arc;

use proptest::prelude::*;

use crate::space::{
    Architecture, CanonicalId, Cell, CellShape, Edge, Join, OperationIndex, Placement, SearchSpace, Wiring,
    nasbench201,
};

const N_NODES: usize = 6;
const N_INPUTS: usize = 2;
const N_OPERATIONS: usize = 5;

/// NAS-Bench-201's operations in a larger cell with two inputs.
fn space(placement: Placement) -> Arc<SearchSpace> {
    let shape = CellShape {
        name: "cell".into(),
        n_nodes: N_NODES,
        n_inputs: N_INPUTS,
        min_nodes: None,
        reduces: placement == Placement::Edge,
    };
    let (wiring, output) = (Wiring::Free { max_edges: 128 }, Join::Concatenation);
    Arc::new(SearchSpace { placement, cells: vec![shape], wiring, output, ..(*nasbench201()).clone() })
}

fn id(placement: Placement, cell: &Cell) -> CanonicalId {
    Architecture::from_valid(space(placement), vec![cell.clone()], "").canonical().id
}

fn edge() -> impl Strategy<Value = (usize, usize)> {
    (N_INPUTS..N_NODES).prop_flat_map(|target| (0..target, Just(target)))
}

fn operation() -> impl Strategy<Value = OperationIndex> {
    (0..N_OPERATIONS).prop_map(OperationIndex)
}

/// Operations on edges, parallel ones among them.
fn edge_cell() -> impl Strategy<Value = Cell> {
    prop::collection::vec((edge(), operation()), 0..12).prop_map(|edges| Cell {
        n_nodes: N_NODES,
        node_operations: Vec::new(),
        edges: edges
            .into_iter()
            .map(|((source, target), operation)| Edge { source, target, operation: Some(operation) })
            .collect(),
    })
}

fn node_cell() -> impl Strategy<Value = Cell> {
    let operations = prop::collection::vec(operation(), N_NODES - N_INPUTS - 1);
    (prop::collection::hash_set(edge(), 0..9), operations).prop_map(|(edges, node_operations)| Cell {
        n_nodes: N_NODES,
        node_operations,
        edges: edges.into_iter().map(|(source, target)| Edge { source, target, operation: None }).collect(),
    })
}

/// The cell with its inner nodes numbered in another order that has sources before targets, the wishes of
/// `priorities` followed as far as that allows, and its edges listed so too.
fn relabelled(cell: &Cell, priorities: &[u32]) -> Cell {
    relabelled_among(N_INPUTS, cell, priorities)
}

pub(super) fn relabelled_among(n_inputs: usize, cell: &Cell, priorities: &[u32]) -> Cell {
    let output = cell.n_nodes - 1;
    let mut order: Vec<usize> = (0..n_inputs).collect();
    while order.len() < output {
        let is_ready = |node: &usize| {
            !order.contains(node)
                && cell.edges.iter().all(|edge| edge.target != *node || order.contains(&edge.source))
        };
        let next = (n_inputs..output).filter(is_ready).min_by_key(|&node| priorities[node]);
        order.push(next.expect("a graph without cycles always has a node that is ready"));
    }
    order.push(output);
    let number =
        |node: usize| order.iter().position(|&other| other == node).expect("all nodes are in the order");
    let mut edges: Vec<_> = cell
        .edges
        .iter()
        .map(|edge| Edge { source: number(edge.source), target: number(edge.target), ..*edge })
        .collect();
    edges.sort_by_key(|edge| priorities[edge.source * cell.n_nodes + edge.target]);
    let node_operations = match cell.node_operations.as_slice() {
        [] => Vec::new(),
        operations => order[n_inputs..output].iter().map(|&node| operations[node - n_inputs]).collect(),
    };
    Cell { n_nodes: cell.n_nodes, node_operations, edges }
}

fn priorities() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), N_NODES * N_NODES)
}

proptest! {
    #[test]
    fn relabelling_keeps_the_id_with_operations_on_edges(cell in edge_cell(), priorities in priorities()) {
        prop_assert_eq!(id(Placement::Edge, &cell), id(Placement::Edge, &relabelled(&cell, &priorities)));
    }

    #[test]
    fn relabelling_keeps_the_id_with_operations_on_nodes(cell in node_cell(), priorities in priorities()) {
        prop_assert_eq!(id(Placement::Node, &cell), id(Placement::Node, &relabelled(&cell, &priorities)));
    }
}
