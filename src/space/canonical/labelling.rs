//! One order of a graph's vertices for all ways to number them.
//!
//! Colour refinement tells vertices apart by what they read and by what reads them. Where several
//! remain alike, each is tried as the first of them, and the smallest graph that comes out wins.
//! Two orders with the same outcome are a symmetry of the graph, and what a symmetry maps to
//! something tried already is not tried again (as in nauty: "Practical graph isomorphism, II",
//! 2014). So the search is exact, and short for graphs full of look-alikes as well.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::form::Vertex;

/// What a vertex is after refinement. Colours are ranks: 0 to the number of colours, all in use.
type Colour = usize;

/// The vertices in canonical order: each after those it reads, inputs first, the output last.
///
/// Vertices come numbered such that none reads a later one; apart from that their numbering makes no
/// difference to [`reorder`]'s outcome.
pub(super) fn canonical_order(vertices: &[Vertex]) -> Vec<usize> {
    let readers = readers(vertices);
    let symmetries = swaps_of_twins(vertices, &readers);
    let mut search = Search { vertices, readers, best: None, symmetries };
    let keys: Vec<_> =
        vertices.iter().zip(depths(vertices)).map(|(vertex, depth)| (depth, vertex.label)).collect();
    search.descend(&mut Vec::new(), &ranks(&keys));
    search.best.expect("the search ends in at least one order").order
}

/// The graph with the vertex `order[i]` at place `i`.
pub(super) fn reorder(vertices: &[Vertex], order: &[usize]) -> Vec<Vertex> {
    let place = inverse(order);
    let renamed =
        |sum: &BTreeMap<usize, u64>| sum.iter().map(|(&term, &times)| (place[term], times)).collect();
    order
        .iter()
        .map(|&vertex| Vertex { label: vertices[vertex].label, sum: renamed(&vertices[vertex].sum) })
        .collect()
}

/// The place of each vertex in an order.
pub(super) fn inverse(order: &[usize]) -> Vec<usize> {
    let mut place = vec![0; order.len()];
    for (index, &vertex) in order.iter().enumerate() {
        place[vertex] = index;
    }
    place
}

/// Length of the longest way from a vertex that reads nothing. Inputs are at 0; a vertex that is no
/// input but reads nothing, as the output of a dead cell, comes after them.
fn depths(vertices: &[Vertex]) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(vertices.len());
    for vertex in vertices {
        let deepest = vertex.sum.keys().map(|&term| depths[term]).max().unwrap_or(0);
        depths.push(if vertex.is_input() { 0 } else { deepest + 1 });
    }
    depths
}

/// Which vertices read each vertex, and how many times.
fn readers(vertices: &[Vertex]) -> Vec<Vec<(usize, u64)>> {
    let mut readers = vec![Vec::new(); vertices.len()];
    for (reader, vertex) in vertices.iter().enumerate() {
        for (&term, &times) in &vertex.sum {
            readers[term].push((reader, times));
        }
    }
    readers
}

/// The symmetries that are seen without a search: vertices that read the same and are read by the
/// same, as operations on parallel edges, can change places.
fn swaps_of_twins(vertices: &[Vertex], readers: &[Vec<(usize, u64)>]) -> Vec<Vec<usize>> {
    let mut last_twin = HashMap::new();
    let swap_with_last = |(vertex, twin)| {
        let other = last_twin.insert(twin, vertex)?;
        let mut swap: Vec<_> = (0..vertices.len()).collect();
        swap.swap(vertex, other);
        Some(swap)
    };
    vertices.iter().zip(readers).enumerate().filter_map(swap_with_last).collect()
}

/// The rank of each key among the distinct ones.
fn ranks<K: Ord>(keys: &[K]) -> Vec<usize> {
    let mut distinct: Vec<_> = keys.iter().collect();
    distinct.sort_unstable();
    distinct.dedup();
    keys.iter().map(|key| distinct.binary_search(&key).expect("every key is among them")).collect()
}

/// An order, how the search came to it, and what the graph looks like in it.
struct Leaf {
    path: Vec<usize>,
    order: Vec<usize>,
    graph: Vec<Vertex>,
}

struct Search<'a> {
    vertices: &'a [Vertex],
    readers: Vec<Vec<(usize, u64)>>,
    best: Option<Leaf>,
    /// Permutations that leave the graph as it is: vertex to vertex.
    symmetries: Vec<Vec<usize>>,
}

impl Search<'_> {
    /// Looks for the smallest graph among the orders in which the vertices of `path` come first
    /// among their likes. Returns the length of the path at which the search is to go on: shorter
    /// than `path` when the rest below it is a mirror image of something seen.
    fn descend(&mut self, path: &mut Vec<usize>, colours: &[Colour]) -> usize {
        let colours = self.refine(colours);
        let alike = first_alike(&colours);
        if alike.is_empty() {
            return self.arrive(path, &colours);
        }
        let mut tried = Vec::new();
        let mut is_settled = vec![false; self.vertices.len()];
        for vertex in alike {
            if is_settled[vertex] {
                continue;
            }
            path.push(vertex);
            let resume_at = self.descend(path, &put_first(vertex, &colours));
            path.pop();
            if resume_at < path.len() {
                return resume_at;
            }
            tried.push(vertex);
            is_settled = self.orbit(&tried, path);
        }
        path.len()
    }

    /// Tells vertices apart until what they read and what reads them says nothing more. Colours
    /// only ever split, and keep their order.
    fn refine(&self, colours: &[Colour]) -> Vec<Colour> {
        let mut colours = colours.to_vec();
        loop {
            let signature = |vertex: usize| {
                let terms = self.vertices[vertex].sum.iter().map(|(&term, &times)| (term, times));
                let readers = self.readers[vertex].iter().copied();
                (colours[vertex], seen_colours(terms, &colours), seen_colours(readers, &colours))
            };
            let finer = ranks(&(0..colours.len()).map(signature).collect::<Vec<_>>());
            if finer == colours {
                return colours;
            }
            colours = finer;
        }
    }

    /// Takes in an order: a better one is kept, an equal one gives a symmetry, and the search goes
    /// back to where the ways to the two parted.
    fn arrive(&mut self, path: &[usize], colours: &[Colour]) -> usize {
        let order = inverse(colours);
        let graph = reorder(self.vertices, &order);
        let Some(best) = &mut self.best else {
            self.best = Some(Leaf { path: path.to_vec(), order, graph });
            return path.len();
        };
        match graph.cmp(&best.graph) {
            Ordering::Less => *best = Leaf { path: path.to_vec(), order, graph },
            Ordering::Greater => {}
            Ordering::Equal => {
                let place = inverse(&best.order);
                self.symmetries.push(place.iter().map(|&place| order[place]).collect());
                return best.path.iter().zip(path).take_while(|(best, here)| best == here).count();
            }
        }
        path.len()
    }

    /// Which vertices the `tried` ones can be mapped to by the known symmetries that leave `path` in
    /// place.
    fn orbit(&self, tried: &[usize], path: &[usize]) -> Vec<bool> {
        let fixes_path = |symmetry: &&Vec<usize>| path.iter().all(|&vertex| symmetry[vertex] == vertex);
        let symmetries: Vec<_> = self.symmetries.iter().filter(fixes_path).collect();
        let mut is_reached = vec![false; self.vertices.len()];
        let mut reached = tried.to_vec();
        while let Some(vertex) = reached.pop() {
            if !is_reached[vertex] {
                is_reached[vertex] = true;
                reached.extend(symmetries.iter().map(|symmetry| symmetry[vertex]));
            }
        }
        is_reached
    }
}

/// The colours of neighbours, and how many times each is met, in an order that forgets the numbers.
fn seen_colours(neighbours: impl Iterator<Item = (usize, u64)>, colours: &[Colour]) -> Vec<(Colour, u64)> {
    let mut seen: Vec<_> = neighbours.map(|(vertex, times)| (colours[vertex], times)).collect();
    seen.sort_unstable();
    seen
}

/// The vertices of the first colour that several share; none when all are told apart.
fn first_alike(colours: &[Colour]) -> Vec<usize> {
    let mut members = vec![Vec::new(); colours.len()];
    for (vertex, &colour) in colours.iter().enumerate() {
        members[colour].push(vertex);
    }
    members.into_iter().find(|members| members.len() > 1).unwrap_or_default()
}

/// Splits `vertex` off its likes, before them.
fn put_first(vertex: usize, colours: &[Colour]) -> Vec<Colour> {
    ranks(&colours.iter().enumerate().map(|(other, &colour)| (colour, other != vertex)).collect::<Vec<_>>())
}
