//! An architecture as the choices that make it up, one after the other, for encoders that know nothing of graphs.
//!
//! Every architecture of a space has as many. A cell whose edges are
//! - given has the operation of each edge, grouped by target, or of each inner node;
//! - chosen per node has for each of them its source and, where operations sit on edges, its operation; edges into
//!   the output follow from the others and are none. All of them are there, whatever the space prunes;
//! - free has for each pair of nodes, ordered by source, whether the first feeds the second, or by which operation.
//!   What the space prunes is gone, and a smaller cell is filled up with `none` before the output.
//!
//! Operations on nodes come after the edges.

use std::borrow::Cow;

use crate::model::encoder::seen;
use crate::space::{Architecture, Cell, CellShape, DeadNodes, PerNode, Placement, SearchSpace, Wiring};

/// What a number chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Whether a node feeds another.
    Connection,
    /// The node an edge leaves.
    Source,
    /// What is computed.
    Operation,
}

impl Choice {
    /// Numbers there are to choose from.
    pub fn n_values(self, space: &SearchSpace) -> usize {
        match self {
            Self::Connection => 2,
            Self::Source => space.cells.iter().map(|cell| cell.n_nodes).max().expect("a space has a cell"),
            Self::Operation => space.operations.len(),
        }
    }
}

/// Checks that all architectures of `space` have the same number of choices, and any.
pub fn check(space: &SearchSpace) -> Result<(), String> {
    if choices(space).is_empty() {
        return Err(format!("it reads choices, {} leaves none", space.name));
    }
    let Wiring::Free { .. } = space.wiring else { return Ok(()) };
    let may_be_smaller =
        space.dead_nodes == DeadNodes::Pruned || space.cells.iter().any(|cell| cell.sizes().count() > 1);
    if (may_be_smaller || space.placement == Placement::Edge) && none(space).is_none() {
        return Err(format!(
            "its sequences have one length, {} has cells of several and no operation of role none to fill them up with",
            space.name
        ));
    }
    Ok(())
}

/// What each number of a sequence chooses.
pub fn choices(space: &SearchSpace) -> Vec<Choice> {
    space.cells.iter().flat_map(|shape| choices_of_cell(space, shape)).collect()
}

fn choices_of_cell(space: &SearchSpace, shape: &CellShape) -> Vec<Choice> {
    let n_inner = shape.n_nodes - shape.n_inputs - 1;
    let (of_edge, n_edges): (&[Choice], usize) = match (space.wiring, space.placement) {
        (Wiring::Complete | Wiring::Free { .. }, Placement::Edge) => {
            (&[Choice::Operation], pairs(shape).count())
        }
        (Wiring::Complete, Placement::Node) => (&[], 0),
        (Wiring::Free { .. }, Placement::Node) => (&[Choice::Connection], pairs(shape).count()),
        (Wiring::PerNode(PerNode { n_edges, .. }), Placement::Edge) => {
            (&[Choice::Source, Choice::Operation], n_inner * n_edges)
        }
        (Wiring::PerNode(PerNode { n_edges, .. }), Placement::Node) => (&[Choice::Source], n_inner * n_edges),
    };
    let n_operations = if space.placement == Placement::Node { n_inner } else { 0 };
    [of_edge.repeat(n_edges), vec![Choice::Operation; n_operations]].concat()
}

/// The numbers of an architecture, in the order of [`choices`].
pub fn numbers(architecture: &Architecture) -> Vec<u32> {
    let space = architecture.space();
    let cells = space.cells.iter().zip(architecture.cells());
    cells.flat_map(|(shape, cell)| numbers_of_cell(space, shape, cell)).collect()
}

/// The numbers of an architecture, each as as many columns as it has values, 1 where it is that value and else 0.
///
/// # Panics
/// When the space has no sequences of one length.
#[must_use]
pub fn one_hot(architecture: &Architecture) -> Vec<f64> {
    let space = architecture.space();
    let numbers = numbers(architecture).into_iter().zip(choices(space));
    let columns = numbers.flat_map(|(number, choice)| {
        (0..choice.n_values(space)).map(move |value| f64::from(u8::from(value == number as usize)))
    });
    columns.collect()
}

fn numbers_of_cell(space: &SearchSpace, shape: &CellShape, cell: &Cell) -> Vec<u32> {
    let n_inner = shape.n_nodes - shape.n_inputs - 1;
    let (cell, mut numbers) = match space.wiring {
        Wiring::Complete => {
            let operations = cell.edges.iter().filter_map(|edge| edge.operation);
            (Cow::Borrowed(cell), operations.map(|operation| operation.0).collect::<Vec<_>>())
        }
        Wiring::PerNode(PerNode { n_edges, .. }) => {
            let chosen = cell.edges[..n_inner * n_edges].iter();
            let of_edge = chosen.flat_map(|edge| [Some(edge.source), edge.operation.map(|it| it.0)]);
            (Cow::Borrowed(cell), of_edge.flatten().collect())
        }
        Wiring::Free { .. } => {
            let cell = seen(space, shape, cell);
            let of_pairs = of_pairs(space, shape, &cell);
            (cell, of_pairs)
        }
    };
    if space.placement == Placement::Node {
        numbers.extend(cell.node_operations.iter().map(|operation| operation.0));
        numbers.resize(choices_of_cell(space, shape).len(), none(space).unwrap_or(0));
    }
    numbers.into_iter().map(|number| number as u32).collect()
}

/// For each pair of nodes of a full cell, what leads from the first to the second.
fn of_pairs(space: &SearchSpace, shape: &CellShape, cell: &Cell) -> Vec<usize> {
    // The output is the last node of every cell.
    let place = |node: usize| if node + 1 == cell.n_nodes { shape.n_nodes - 1 } else { node };
    let of_pair = |(source, target): (usize, usize)| {
        let mut edges = cell.edges.iter();
        let edge = edges.find(|edge| (place(edge.source), place(edge.target)) == (source, target));
        match space.placement {
            Placement::Node => usize::from(edge.is_some()),
            Placement::Edge => {
                let operation = edge.and_then(|edge| edge.operation).map(|operation| operation.0);
                operation.or(none(space)).expect("checked: there is a none")
            }
        }
    };
    pairs(shape).map(of_pair).collect()
}

/// The pairs of nodes of a full cell that an edge may join, ordered by source.
fn pairs(shape: &CellShape) -> impl Iterator<Item = (usize, usize)> {
    let (n_inputs, n_nodes) = (shape.n_inputs, shape.n_nodes);
    (0..n_nodes)
        .flat_map(move |source| (n_inputs.max(source + 1)..n_nodes).map(move |target| (source, target)))
}

fn none(space: &SearchSpace) -> Option<usize> {
    space.first_none().map(|operation| operation.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space;

    #[test]
    fn sequences_have_the_length_and_the_numbers_that_the_space_says() {
        for (space, n_choices) in [
            (space::nasbench101(), 21 + 5),
            (space::nasbench201(), 6),
            (space::darts(), 2 * 8 * 2),
            (space::enas(), 2 * 10 * 2),
        ] {
            check(&space).expect("one length");
            let choices = choices(&space);
            assert_eq!(choices.len(), n_choices, "{}", space.name);
            for architecture in space.sample(100, 7) {
                let numbers = numbers(&architecture);
                assert_eq!(numbers.len(), n_choices, "{architecture}");
                let is_valid =
                    |(choice, number): (&Choice, &u32)| (*number as usize) < choice.n_values(&space);
                assert!(choices.iter().zip(&numbers).all(is_valid), "{architecture}");
            }
        }
    }

    #[test]
    fn a_free_space_without_none_has_no_sequences() {
        let mut mine = (*space::nasbench101()).clone();
        mine.operations.truncate(3);
        assert!(check(&mine).expect_err("several lengths").contains("no operation of role none"));
        (mine.wiring, mine.cells[0].n_nodes) = (Wiring::Complete, 2);
        assert_eq!(check(&mine).expect_err("no choices"), "it reads choices, nasbench101 leaves none");
    }
}
