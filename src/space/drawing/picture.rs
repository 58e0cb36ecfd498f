//! What there is to draw of one cell, laid out.

use super::layout::{Item, place};
use crate::space::{Cell, CellShape, Liveness, OperationIndex, Placement, Role, SearchSpace, Wiring};

const CHARACTER_WIDTH: f64 = 7.0;
const BOX_PADDING: f64 = 18.0;
const BEND_WIDTH: f64 = 10.0;
pub(super) const BOX_HEIGHT: f64 = 24.0;
/// Of a row that lines only pass through.
const BEND_HEIGHT: f64 = 6.0;
const ROW_GAP: f64 = 22.0;

/// What stands at a place.
#[derive(Clone, PartialEq)]
pub(super) enum Face {
    /// An input or the output.
    End(String),
    /// A node that adds up what arrives, by number.
    Sum(String),
    Operation {
        name: String,
        role: Role,
    },
    /// Nothing: a line passes.
    Bend,
}

pub(super) struct Spot {
    pub(super) face: Face,
    pub(super) is_live: bool,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// An edge, by the spots it leads through.
pub(super) struct Line {
    pub(super) spots: Vec<usize>,
    pub(super) is_live: bool,
    pub(super) is_dashed: bool,
}

pub(super) struct Picture {
    pub(super) spots: Vec<Spot>,
    pub(super) lines: Vec<Line>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Lays out a cell: nodes in every other row by the longest path to them, the output in the last; operations on
/// edges in the row before the node they lead to.
pub(super) fn picture(space: &SearchSpace, shape: &CellShape, cell: &Cell) -> Picture {
    let liveness = space.liveness(shape, cell);
    let mut sketch = Sketch::default();
    let layers = layers(shape, cell);
    for (node, &layer) in layers.iter().enumerate() {
        sketch.add(node_face(space, shape, cell, node), liveness.nodes[node], layer);
    }
    for (index, edge) in cell.edges.iter().enumerate() {
        let operation = edge.operation.filter(|_| !is_derived(space, cell, edge.target));
        sketch.add_edge(space, &liveness, (edge.source, edge.target), index, operation, &layers);
    }
    sketch.laid_out()
}

/// Edges into the output that follow from the others have no operation worth showing.
fn is_derived(space: &SearchSpace, cell: &Cell, target: usize) -> bool {
    matches!(space.wiring, Wiring::PerNode(_)) && target + 1 == cell.n_nodes
}

fn node_face(space: &SearchSpace, shape: &CellShape, cell: &Cell, node: usize) -> Face {
    let number = if shape.n_inputs == 1 { String::new() } else { format!(" {node}") };
    match cell.node_operation(shape, node) {
        Some(index) => operation_face(space, index),
        None if node < shape.n_inputs => Face::End(format!("input{number}")),
        None if node + 1 == cell.n_nodes => Face::End("output".to_owned()),
        None => Face::Sum(node.to_string()),
    }
}

fn operation_face(space: &SearchSpace, index: OperationIndex) -> Face {
    let operation = space.operation(index);
    Face::Operation { name: operation.name.clone(), role: operation.role }
}

/// The layer of each node: inputs in the first, others at least two below all they read.
fn layers(shape: &CellShape, cell: &Cell) -> Vec<usize> {
    let mut layers = vec![0; cell.n_nodes];
    for node in shape.n_inputs..cell.n_nodes {
        let read = cell.edges.iter().filter(|edge| edge.target == node).map(|edge| layers[edge.source]);
        layers[node] = read.max().unwrap_or(0) + 2;
    }
    let lowest = layers.iter().copied().max().unwrap_or(0);
    let inner = layers[..cell.n_nodes - 1].iter().copied().max().unwrap_or(0);
    layers[cell.n_nodes - 1] = lowest.max(inner + 2);
    layers
}

#[derive(Default)]
struct Sketch {
    faces: Vec<(Face, bool)>,
    items: Vec<Item>,
    lines: Vec<Line>,
}

impl Sketch {
    fn add(&mut self, face: Face, is_live: bool, layer: usize) -> usize {
        let (width, stiffness) = match &face {
            Face::Bend => (BEND_WIDTH, 4.0),
            Face::Sum(text) | Face::End(text) | Face::Operation { name: text, .. } => {
                ((text.chars().count() as f64 * CHARACTER_WIDTH + BOX_PADDING).max(BOX_HEIGHT), 1.0)
            }
        };
        self.faces.push((face, is_live));
        self.items.push(Item { layer, width, stiffness });
        self.items.len() - 1
    }

    fn add_edge(
        &mut self,
        space: &SearchSpace,
        liveness: &Liveness,
        (source, target): (usize, usize),
        index: usize,
        operation: Option<OperationIndex>,
        layers: &[usize],
    ) {
        let is_live = liveness.edges[index];
        let mut spots = vec![source];
        for layer in layers[source] + 1..layers[target] {
            let face = match operation {
                Some(operation) if layer + 1 == layers[target] => operation_face(space, operation),
                Some(_) | None => Face::Bend,
            };
            spots.push(self.add(face, is_live, layer));
        }
        spots.push(target);
        let is_dashed = operation.is_some_and(|operation| {
            space.placement == Placement::Edge
                && matches!(space.operation(operation).role, Role::Skip | Role::None)
        });
        self.lines.push(Line { spots, is_live, is_dashed });
    }

    fn laid_out(self) -> Picture {
        let links: Vec<(usize, usize)> =
            self.lines.iter().flat_map(|line| line.spots.windows(2).map(|pair| (pair[0], pair[1]))).collect();
        let xs = place(&self.items, &links);
        let n_layers = self.items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
        let mut heights = vec![BEND_HEIGHT; n_layers];
        for (item, (face, _)) in self.items.iter().zip(&self.faces) {
            if *face != Face::Bend {
                heights[item.layer] = BOX_HEIGHT;
            }
        }
        let top = |layer: usize| heights[..layer].iter().map(|height| height + ROW_GAP).sum::<f64>();
        let spots = self.items.iter().zip(self.faces).zip(&xs).map(|((item, (face, is_live)), &x)| Spot {
            face,
            is_live,
            x,
            y: top(item.layer) + heights[item.layer] / 2.0,
            width: item.width,
            height: heights[item.layer],
        });
        let width = xs.iter().zip(&self.items).map(|(x, item)| x + item.width / 2.0).fold(0.0, f64::max);
        Picture { spots: spots.collect(), lines: self.lines, width, height: top(n_layers) - ROW_GAP }
    }
}
