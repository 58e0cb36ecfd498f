//! Where things of a layered drawing stand within their layers, so that few lines cross and most are straight.

/// Room between two neighbours.
const GAP: f64 = 14.0;
const N_SWEEPS: usize = 12;
const N_PASSES: usize = 12;

/// Something with a place in a layer.
#[derive(Clone, Copy)]
pub(super) struct Item {
    pub(super) layer: usize,
    pub(super) width: f64,
    /// How much it wants to stand straight below what leads to it.
    pub(super) stiffness: f64,
}

/// The middle of each item, from 0 at the left edge of the leftmost. `links` lead from items to items of the next
/// layer.
pub(super) fn place(items: &[Item], links: &[(usize, usize)]) -> Vec<f64> {
    let graph = Graph::new(items, links);
    let layers = graph.ordered();
    let mut xs = vec![0.0; items.len()];
    for layer in &layers {
        let width: f64 = layer.iter().map(|item| items[*item].width + GAP).sum();
        let mut left = -width / 2.0;
        for &item in layer {
            xs[item] = left + items[item].width / 2.0;
            left += items[item].width + GAP;
        }
    }
    for _ in 0..N_PASSES {
        for layer in &layers {
            graph.settle(layer, &graph.above, &mut xs);
        }
        for layer in layers.iter().rev() {
            graph.settle(layer, &graph.below, &mut xs);
        }
    }
    for layer in &layers {
        graph.settle(layer, &graph.around, &mut xs);
    }
    let left = xs.iter().zip(items).map(|(x, item)| x - item.width / 2.0).fold(f64::INFINITY, f64::min);
    xs.iter().map(|x| x - left).collect()
}

struct Graph<'a> {
    items: &'a [Item],
    links: &'a [(usize, usize)],
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    around: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn new(items: &'a [Item], links: &'a [(usize, usize)]) -> Self {
        let mut above = vec![Vec::new(); items.len()];
        let mut below = vec![Vec::new(); items.len()];
        for &(upper, lower) in links {
            above[lower].push(upper);
            below[upper].push(lower);
        }
        let around = above.iter().zip(&below).map(|(above, below)| [&above[..], below].concat()).collect();
        Self { items, links, above, below, around }
    }

    /// The items of each layer from left to right, in the order with the fewest crossings that was met.
    fn ordered(&self) -> Vec<Vec<usize>> {
        let n_layers = self.items.iter().map(|item| item.layer + 1).max().unwrap_or(0);
        let mut layers = vec![Vec::new(); n_layers];
        for (index, item) in self.items.iter().enumerate() {
            layers[item.layer].push(index);
        }
        let mut best = (self.n_crossings(&layers), layers.clone());
        for _ in 0..N_SWEEPS {
            for layer in 1..n_layers {
                self.sort(&mut layers, layer, &self.above);
            }
            for layer in (1..n_layers).rev() {
                self.sort(&mut layers, layer - 1, &self.below);
            }
            let n_crossings = self.n_crossings(&layers);
            if n_crossings < best.0 {
                best = (n_crossings, layers.clone());
            }
        }
        best.1
    }

    /// Sorts a layer by where its neighbours in the one above or below stand on average.
    fn sort(&self, layers: &mut [Vec<usize>], layer: usize, neighbours: &[Vec<usize>]) {
        let places = self.places(layers);
        let mut keyed: Vec<(f64, usize)> = layers[layer]
            .iter()
            .map(|&item| (mean(&neighbours[item], &places).unwrap_or(places[item]), item))
            .collect();
        keyed.sort_by(|left, right| left.0.total_cmp(&right.0));
        layers[layer] = keyed.into_iter().map(|(_, item)| item).collect();
    }

    /// The place of each item in its layer, as a share of its length.
    fn places(&self, layers: &[Vec<usize>]) -> Vec<f64> {
        let mut places = vec![0.0; self.items.len()];
        for layer in layers {
            for (place, &item) in layer.iter().enumerate() {
                places[item] = (place as f64 + 0.5) / layer.len() as f64;
            }
        }
        places
    }

    fn n_crossings(&self, layers: &[Vec<usize>]) -> usize {
        let places = self.places(layers);
        let crosses = |(index, &(upper, lower)): (usize, &(usize, usize))| {
            let others = self.links[..index]
                .iter()
                .filter(|(other, _)| self.items[*other].layer == self.items[upper].layer);
            others
                .filter(|(other_upper, other_lower)| {
                    (places[*other_upper] - places[upper]) * (places[*other_lower] - places[lower]) < 0.0
                })
                .count()
        };
        self.links.iter().enumerate().map(crosses).sum()
    }

    /// Moves the items of a layer as near to the mean of their neighbours as their order and widths allow, by
    /// least squares: whatever would overlap moves as one.
    fn settle(&self, layer: &[usize], neighbours: &[Vec<usize>], xs: &mut [f64]) {
        let mut blocks: Vec<Block> = Vec::new();
        let mut offset = 0.0;
        let mut offsets = Vec::with_capacity(layer.len());
        let mut before = None;
        for &item in layer {
            let width = self.items[item].width;
            offset += before.map_or(0.0, |before| f64::midpoint(before, width) + GAP);
            before = Some(width);
            offsets.push(offset);
            let wish = mean(&neighbours[item], xs).unwrap_or(xs[item]) - offset;
            let weight = self.items[item].stiffness;
            blocks.push(Block { n_items: 1, weight, wish });
            while let [.., left, right] = blocks.as_slice()
                && left.wish > right.wish
            {
                let merged = left.with(right);
                blocks.truncate(blocks.len() - 2);
                blocks.push(merged);
            }
        }
        let starts = blocks.iter().flat_map(|block| std::iter::repeat_n(block.wish, block.n_items));
        for ((&item, offset), start) in layer.iter().zip(offsets).zip(starts) {
            xs[item] = start + offset;
        }
    }
}

/// Items that stand side by side, and where they want their row to start.
struct Block {
    n_items: usize,
    weight: f64,
    wish: f64,
}

impl Block {
    fn with(&self, other: &Self) -> Self {
        let weight = self.weight + other.weight;
        let wish = (self.wish * self.weight + other.wish * other.weight) / weight;
        Self { n_items: self.n_items + other.n_items, weight, wish }
    }
}

fn mean(of: &[usize], xs: &[f64]) -> Option<f64> {
    if of.is_empty() { None } else { Some(of.iter().map(|item| xs[*item]).sum::<f64>() / of.len() as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(layer: usize) -> Item {
        Item { layer, width: 20.0, stiffness: 1.0 }
    }

    #[test]
    fn a_chain_is_straight_and_twins_stand_apart_around_it() {
        let xs = place(&[item(0), item(1), item(1), item(2)], &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!(xs, [27.0, 10.0, 44.0, 27.0]);
    }

    #[test]
    fn lines_that_need_not_cross_do_not() {
        let xs = place(&[item(0), item(0), item(1), item(1)], &[(0, 3), (1, 2)]);
        assert_eq!(xs[0] < xs[1], xs[3] < xs[2]);
    }

    #[test]
    fn neighbours_never_overlap() {
        let items: Vec<_> = (0..20).map(|index| Item { width: f64::from(index), ..item(1) }).collect();
        let items = [vec![item(0)], items].concat();
        let links: Vec<_> = (1..21).map(|lower| (0, lower)).collect();
        let xs = place(&items, &links);
        let mut layer: Vec<_> = xs.iter().zip(&items).skip(1).collect();
        layer.sort_by(|left, right| left.0.total_cmp(right.0));
        for pair in layer.windows(2) {
            let apart = pair[1].0 - pair[0].0;
            assert!(apart >= f64::midpoint(pair[0].1.width, pair[1].1.width) + GAP - 1e-9);
        }
    }
}
