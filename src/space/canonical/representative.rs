//! One graph for all members of a class, so that who reads it cannot tell them apart.

use std::collections::{BTreeMap, HashMap};

use super::Canonical;
use super::form::{Label, Vertex};
use super::labelling::inverse;
use crate::space::{Cell, CellShape, Edge, OperationIndex, Placement, SearchSpace};

/// Parallel edges that stand for a term that is added up several times, at most: sums of sums of skips count up to
/// billions of times, which no graph can write out.
const MAX_TIMES: u64 = 8;

/// A cell that computes what every member of a class computes, but for terms that are added up more than eight times:
/// those it has eight times. It may have more nodes than the space allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representative {
    /// Nodes, edges and operations, in an order that all members share.
    pub cell: Cell,
    /// For each operation of `cell`, its place among the written ones of the whole architecture; none where it is an
    /// identity that the representative needs.
    pub written: Vec<Option<usize>>,
}

impl Canonical {
    /// The representative cells of the class.
    #[must_use]
    pub fn representatives(&self) -> Vec<Representative> {
        let mut written = HashMap::new();
        for (place, instance) in self.instance_of.iter().enumerate() {
            if let Some(instance) = instance {
                written.insert((instance.cell, instance.vertex), place);
            }
        }
        let space = self.form.space();
        let cells = self.form.cells().iter().zip(&space.cells).enumerate();
        cells
            .map(|(index, (vertices, shape))| {
                let written = |vertex: usize| written.get(&(index, vertex)).copied();
                match space.placement {
                    Placement::Edge => on_edges(space, shape, vertices, written),
                    Placement::Node => on_nodes(space, shape, vertices, written),
                }
            })
            .collect()
    }
}

fn written_times(times: u64) -> u64 {
    times.min(MAX_TIMES)
}

fn skip(space: &SearchSpace) -> OperationIndex {
    space.first_skip().expect("sums of sums come from skips")
}

/// Every vertex is a node; what adds up without an operation of its own skips.
fn on_nodes(
    space: &SearchSpace,
    shape: &CellShape,
    vertices: &[Vertex],
    written: impl Fn(usize) -> Option<usize>,
) -> Representative {
    let inner = shape.n_inputs..vertices.len() - 1;
    let edges = vertices.iter().enumerate().flat_map(|(target, vertex)| {
        let edge = move |source: usize| Edge { source, target, operation: None };
        vertex
            .sum
            .iter()
            .flat_map(move |(source, times)| (0..written_times(*times)).map(move |_| edge(*source)))
    });
    let edges = edges.collect();
    let node_operations = inner.clone().map(|node| match vertices[node].label {
        Label::Operation(operation) => operation,
        Label::Input(_) | Label::Part | Label::Output => skip(space),
    });
    Representative {
        cell: Cell { n_nodes: vertices.len(), node_operations: node_operations.collect(), edges },
        written: inner.map(written).collect(),
    }
}

/// Every sum that is read is a node; an operation is the edge from the sum it reads into the sum it is part of, or,
/// where it is part of several, into a node of its own that those skip from.
fn on_edges(
    space: &SearchSpace,
    shape: &CellShape,
    vertices: &[Vertex],
    written: impl Fn(usize) -> Option<usize>,
) -> Representative {
    let mut nodes = Nodes::new(shape.n_inputs, vertices);
    let mut rows: Vec<(Edge, Option<usize>)> = Vec::new();
    let mut pending = 0;
    while let Some(sum) = nodes.sums.get(pending).cloned() {
        let target = shape.n_inputs + pending;
        pending += 1;
        for (&term, &times) in &sum {
            let vertex = &vertices[term];
            let is_own_node = sum.len() == 1 && times == 1;
            let (source, operation, place) = match vertex.label {
                Label::Operation(operation) if nodes.is_read_once[term] || is_own_node => {
                    (nodes.of(&vertex.sum), operation, written(term))
                }
                Label::Input(number) => (number, skip(space), None),
                Label::Part => (nodes.of(&vertex.sum), skip(space), None),
                Label::Operation(_) | Label::Output => {
                    (nodes.of(&BTreeMap::from([(term, 1)])), skip(space), None)
                }
            };
            let edge = Edge { source, target, operation: Some(operation) };
            rows.extend((0..written_times(times)).map(|_| (edge, place)));
        }
    }
    let n_nodes = shape.n_inputs + nodes.sums.len();
    let place = inverse(&by_depth(n_nodes, &rows));
    let renamed = |edge: Edge| Edge { source: place[edge.source], target: place[edge.target], ..edge };
    let (edges, written) = rows.into_iter().map(|(edge, written)| (renamed(edge), written)).unzip();
    Representative { cell: Cell { n_nodes, node_operations: Vec::new(), edges }, written }
}

/// The nodes by the longest way to them: inputs first, sources before targets, the output last, which all lead to.
fn by_depth(n_nodes: usize, rows: &[(Edge, Option<usize>)]) -> Vec<usize> {
    let mut depths = vec![0; n_nodes];
    // Each round settles at least the nodes of one more depth.
    for _ in 0..n_nodes {
        for (edge, _) in rows {
            depths[edge.target] = depths[edge.target].max(depths[edge.source] + 1);
        }
    }
    let mut order: Vec<usize> = (0..n_nodes).collect();
    order.sort_by_key(|node| depths[*node]);
    order
}

/// The sums that are nodes, in the order they were met from the output on.
struct Nodes {
    n_inputs: usize,
    sums: Vec<BTreeMap<usize, u64>>,
    is_read_once: Vec<bool>,
}

impl Nodes {
    fn new(n_inputs: usize, vertices: &[Vertex]) -> Self {
        let mut distinct: Vec<_> = vertices.iter().map(|vertex| &vertex.sum).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let n_reads = |vertex: usize| distinct.iter().filter_map(|sum| sum.get(&vertex)).sum::<u64>();
        let output = vertices.last().expect("a cell has an output").sum.clone();
        Self {
            n_inputs,
            sums: vec![output],
            is_read_once: (0..vertices.len()).map(|v| n_reads(v) == 1).collect(),
        }
    }

    /// The node of a sum: an input where it is nothing but that.
    fn of(&mut self, sum: &BTreeMap<usize, u64>) -> usize {
        if let Some((&term, 1)) = sum.first_key_value().filter(|_| sum.len() == 1)
            && term < self.n_inputs
        {
            return term;
        }
        let known = self.sums.iter().position(|known| known == sum);
        let position = known.unwrap_or_else(|| {
            self.sums.push(sum.clone());
            self.sums.len() - 1
        });
        self.n_inputs + position
    }
}
