//! From a cell as written to what it computes.

use std::collections::BTreeMap;

use super::form::{Label, Vertex};
use crate::space::{Cell, CellShape, Join, OperationIndex, Role, SearchSpace};

/// Vertices that are added up, and how many times each.
type Sum = BTreeMap<usize, u64>;

/// What a cell computes, its vertices in no particular order but each after those it reads.
pub(super) struct Reduced {
    pub(super) vertices: Vec<Vertex>,
    /// The vertex of each written operation that has one.
    pub(super) vertex_of: Vec<Option<usize>>,
}

/// Reduces a cell of either placement: a node is the sum of what its edges bring (the output maybe its
/// concatenation), and an operation, on an edge or on the node, is applied to a sum.
pub(super) fn reduce(space: &SearchSpace, shape: &CellShape, cell: &Cell) -> Reduced {
    let mut reduction = Reduction::new(space, shape.n_inputs, cell.operations().count());
    let mut nodes: Vec<Sum> = Vec::with_capacity(cell.n_nodes);
    for node in 0..cell.n_nodes {
        let mut sum = Sum::new();
        if node < shape.n_inputs {
            sum.insert(node, 1);
        }
        for (written, edge) in cell.edges.iter().enumerate().filter(|(_, edge)| edge.target == node) {
            let source = nodes[edge.source].clone();
            let is_strided = shape.reduces && edge.source < shape.n_inputs;
            let mut brought = match edge.operation {
                Some(operation) => reduction.apply(written, (operation, is_strided), source),
                None => source,
            };
            if space.output == Join::Concatenation && node + 1 == cell.n_nodes {
                brought = reduction.part(brought);
            }
            for (vertex, times) in brought {
                *sum.entry(vertex).or_default() += times;
            }
        }
        if let Some(operation) = cell.node_operation(shape, node) {
            sum = reduction.apply(node - shape.n_inputs, (operation, false), sum);
        }
        nodes.push(sum);
    }
    reduction.finish(nodes.pop().expect("a cell has an output node"))
}

struct Reduction<'a> {
    space: &'a SearchSpace,
    reduced: Reduced,
}

impl<'a> Reduction<'a> {
    fn new(space: &'a SearchSpace, n_inputs: usize, n_written: usize) -> Self {
        let input = |number| Vertex { label: Label::Input(number), sum: Sum::new() };
        let vertices = (0..n_inputs).map(input).collect();
        Self { space, reduced: Reduced { vertices, vertex_of: vec![None; n_written] } }
    }

    /// What the operation at place `written` makes of a sum. Of an empty sum, which no input
    /// reaches, nothing. A strided skip is no identity.
    fn apply(&mut self, written: usize, (operation, is_strided): (OperationIndex, bool), sum: Sum) -> Sum {
        match self.space.operation(operation).role {
            Role::Skip if !is_strided => sum,
            Role::None => Sum::new(),
            Role::Parametrised | Role::Free | Role::Skip if sum.is_empty() => sum,
            Role::Parametrised | Role::Free | Role::Skip => {
                let vertex = self.push(Label::Operation(operation), sum);
                self.reduced.vertex_of[written] = Some(vertex);
                Sum::from([(vertex, 1)])
            }
        }
    }

    /// A sum as one part of a concatenation. What is no sum of several is its own part.
    fn part(&mut self, sum: Sum) -> Sum {
        if sum.values().sum::<u64>() <= 1 {
            return sum;
        }
        Sum::from([(self.push(Label::Part, sum), 1)])
    }

    fn push(&mut self, label: Label, sum: Sum) -> usize {
        self.reduced.vertices.push(Vertex { label, sum });
        self.reduced.vertices.len() - 1
    }

    /// Adds the output and drops the operations it does not depend on.
    fn finish(mut self, output: Sum) -> Reduced {
        self.reduced.vertices.push(Vertex { label: Label::Output, sum: output });
        let renumbered = renumber(&used(&self.reduced.vertices));
        let Reduced { vertices, vertex_of } = self.reduced;
        Reduced {
            vertices: vertices
                .into_iter()
                .zip(&renumbered)
                .filter(|(_, number)| number.is_some())
                .map(|(vertex, _)| renumber_sum(vertex, &renumbered))
                .collect(),
            vertex_of: vertex_of.into_iter().map(|vertex| renumbered[vertex?]).collect(),
        }
    }
}

/// Which vertices are inputs or read, at whatever remove, by the last one.
fn used(vertices: &[Vertex]) -> Vec<bool> {
    let mut used: Vec<_> =
        vertices.iter().map(|vertex| vertex.is_input() || vertex.label == Label::Output).collect();
    for (index, vertex) in vertices.iter().enumerate().rev() {
        if used[index] {
            for &term in vertex.sum.keys() {
                used[term] = true;
            }
        }
    }
    used
}

/// The numbers of what is kept, counted from 0.
fn renumber(kept: &[bool]) -> Vec<Option<usize>> {
    let mut numbers = 0..;
    kept.iter().map(|&kept| if kept { numbers.next() } else { None }).collect()
}

fn renumber_sum(vertex: Vertex, renumbered: &[Option<usize>]) -> Vertex {
    let number = |term: usize| renumbered[term].expect("what a used vertex reads is used");
    Vertex { sum: vertex.sum.into_iter().map(|(term, times)| (number(term), times)).collect(), ..vertex }
}
