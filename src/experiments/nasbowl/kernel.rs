//! The kernel of Weisfeiler and Lehman (Shervashidze et al., 2011): graphs are alike that have many labels in common,
//! where each round makes a label of a node's own, those it reads and those that read it. The last are our own choice: the
//! original knows no direction.

use std::collections::{BTreeMap, HashMap};

use crate::space::{Architecture, Cell, CellShape, Placement, Role, SearchSpace};

/// How often each label occurs in a graph, over all rounds, by label.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    by_label: Vec<(u32, f64)>,
    norm: f64,
}

/// Graphs as their nodes are labelled after some rounds.
pub struct Rounds {
    graphs: Vec<Graph>,
    n_known: usize,
    labels: HashMap<Description, u32>,
    counts: Vec<BTreeMap<u32, f64>>,
}

/// The cells of an architecture as one graph of operations.
#[derive(Clone, Debug, Default)]
struct Graph {
    labels: Vec<u32>,
    reads: Vec<Vec<usize>>,
    is_read_by: Vec<Vec<usize>>,
}

/// What a label stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Description {
    Input {
        cell: usize,
        node: usize,
    },
    Output {
        cell: usize,
    },
    Operation(usize),
    /// The node's own label of the round before, those it reads and those that read it, in order.
    Surroundings(u32, Vec<u32>, Vec<u32>),
}

impl Counts {
    /// The cosine of the angle between two graphs' counts, from 0 to 1.
    pub fn similarity(&self, other: &Self) -> f64 {
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        while let (Some((a, n_a)), Some((b, n_b))) = (self.by_label.get(i), other.by_label.get(j)) {
            if a == b {
                sum += n_a * n_b;
            }
            i += usize::from(a <= b);
            j += usize::from(b <= a);
        }
        sum / (self.norm * other.norm)
    }
}

impl Rounds {
    /// The graphs of known and asked architectures before the first round.
    pub fn new(known: &[&Architecture], asked: &[&Architecture]) -> Self {
        let mut labels = HashMap::new();
        let graphs: Vec<Graph> =
            known.iter().chain(asked).map(|architecture| Graph::new(architecture, &mut labels)).collect();
        let counts = vec![BTreeMap::new(); graphs.len()];
        let mut rounds = Self { graphs, n_known: known.len(), labels, counts };
        rounds.count();
        rounds
    }

    /// One more round.
    pub fn relabel(&mut self) {
        for graph in &mut self.graphs {
            let sorted = |nodes: &[usize]| {
                let mut labels: Vec<u32> = nodes.iter().map(|node| graph.labels[*node]).collect();
                labels.sort_unstable();
                labels
            };
            let next: Vec<Description> = (graph.labels.iter().enumerate())
                .map(|(node, own)| {
                    Description::Surroundings(
                        *own,
                        sorted(&graph.reads[node]),
                        sorted(&graph.is_read_by[node]),
                    )
                })
                .collect();
            graph.labels = next.into_iter().map(|description| label(&mut self.labels, description)).collect();
        }
        self.count();
    }

    /// The counts of the known graphs, and of the asked ones.
    pub fn counts(&self) -> (Vec<Counts>, Vec<Counts>) {
        let of_one = |counts: &BTreeMap<u32, f64>| Counts {
            by_label: counts.iter().map(|(label, n)| (*label, *n)).collect(),
            norm: counts.values().map(|n| n * n).sum::<f64>().sqrt(),
        };
        let (known, asked) = self.counts.split_at(self.n_known);
        (known.iter().map(of_one).collect(), asked.iter().map(of_one).collect())
    }

    fn count(&mut self) {
        for (graph, counts) in self.graphs.iter().zip(&mut self.counts) {
            for label in &graph.labels {
                *counts.entry(*label).or_default() += 1.0;
            }
        }
    }
}

fn label(labels: &mut HashMap<Description, u32>, description: Description) -> u32 {
    let next = labels.len() as u32;
    *labels.entry(description).or_insert(next)
}

impl Graph {
    fn new(architecture: &Architecture, labels: &mut HashMap<Description, u32>) -> Self {
        let space = architecture.space();
        let mut graph = Self::default();
        for (index, (shape, cell)) in space.cells.iter().zip(architecture.cells()).enumerate() {
            graph.push(space, index, shape, cell, labels);
        }
        graph
    }

    /// Adds a cell: a node for each of its own and, where operations sit on edges, one for each edge, between the two
    /// that it joins. What connects nothing is left out.
    fn push(
        &mut self,
        space: &SearchSpace,
        index: usize,
        shape: &CellShape,
        cell: &Cell,
        labels: &mut HashMap<Description, u32>,
    ) {
        let first = self.labels.len();
        for node in 0..cell.n_nodes {
            let description = match cell.node_operation(shape, node) {
                _ if node < shape.n_inputs => Description::Input { cell: index, node },
                Some(operation) => Description::Operation(operation.0),
                // Where operations sit on edges, inner nodes only add up: they are told apart by what they read.
                None if node + 1 < cell.n_nodes => Description::Operation(space.operations.len()),
                None => Description::Output { cell: index },
            };
            self.add(label(labels, description));
        }
        for edge in &cell.edges {
            let (source, target) = (first + edge.source, first + edge.target);
            match edge.operation {
                Some(operation) if space.operations[operation.0].role == Role::None => {}
                Some(operation) if space.placement == Placement::Edge => {
                    let node = self.add(label(labels, Description::Operation(operation.0)));
                    self.connect(source, node);
                    self.connect(node, target);
                }
                _ => self.connect(source, target),
            }
        }
    }

    fn add(&mut self, label: u32) -> usize {
        self.labels.push(label);
        self.reads.push(Vec::new());
        self.is_read_by.push(Vec::new());
        self.labels.len() - 1
    }

    fn connect(&mut self, source: usize, target: usize) {
        self.reads[target].push(source);
        self.is_read_by[source].push(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::nasbench201;

    fn similarity(one: &str, other: &str, n_rounds: usize) -> f64 {
        let space = nasbench201();
        let parse = |text: &str| space.parse(text).expect("a cell");
        let (one, other) = (parse(one), parse(other));
        let mut rounds = Rounds::new(&[&one], &[&other]);
        (0..n_rounds).for_each(|_| rounds.relabel());
        let (known, asked) = rounds.counts();
        known[0].similarity(&asked[0])
    }

    const CHAIN: &str = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|avg_pool_3x3~2|";
    const SWAPPED: &str = "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|avg_pool_3x3~2|";

    #[test]
    fn the_same_graph_is_alike_in_every_round() {
        for n_rounds in 0..3 {
            assert!((similarity(CHAIN, CHAIN, n_rounds) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn rounds_tell_apart_what_counts_do_not() {
        assert!((similarity(CHAIN, SWAPPED, 0) - 1.0).abs() < 1e-12, "the same operations");
        assert!(similarity(CHAIN, SWAPPED, 1) < 0.9, "in another order");
    }
}
