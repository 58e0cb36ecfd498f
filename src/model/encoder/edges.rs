//! Edges of a batch as tensors: rows that move from where an edge leaves to where it enters.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

/// Where edges leave and enter, as numbers of the CPU.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    pub source: Vec<u32>,
    pub target: Vec<u32>,
}

impl Ends {
    pub fn push(&mut self, source: u32, target: u32) {
        self.source.push(source);
        self.target.push(target);
    }

    /// Source and target of each edge.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.source.iter().zip(&self.target).map(|(&source, &target)| (source as usize, target as usize))
    }

    /// The same edges turned round.
    pub fn reversed(self) -> Self {
        Self { source: self.target, target: self.source }
    }

    /// The edges and one from each of `nodes` to itself.
    pub fn with_loops(mut self, nodes: &[u32]) -> Self {
        self.source.extend(nodes);
        self.target.extend(nodes);
        self
    }
}

/// The edges of a batch, where its tensors are.
#[derive(Clone, Debug)]
pub struct Edges {
    /// As numbers of the CPU.
    pub ends: Arc<Ends>,
    /// The same as tensors of a GPU; none on the CPU.
    pub on_device: Option<OnDevice>,
}

/// The edges as a device reads them that computes every row by itself.
#[derive(Clone, Debug)]
pub struct OnDevice {
    /// The node each edge leaves: `[n_edges]`.
    pub source: Tensor,
    /// The node each edge enters: `[n_edges]`.
    pub target: Tensor,
    /// The edges that enter each node.
    pub entering: Grouped,
    /// The edges that leave each node.
    pub leaving: Grouped,
    /// Rows there must be at least for edges to leave.
    pub n_sources: usize,
    /// Rows there must be at least for edges to enter.
    pub n_targets: usize,
}

/// Edges by the node they share.
#[derive(Clone, Debug)]
#[cfg_attr(not(any(feature = "cuda", test)), expect(dead_code, reason = "only kernels read them"))]
pub struct Grouped {
    /// Where the edges of each node start among `edges`, and where the last end; nodes behind have none: `[n + 1]`.
    pub starts: Tensor,
    /// The edges, those of one node in their order: `[n_edges]`.
    pub edges: Tensor,
}

impl Edges {
    /// The edges with these ends, for tensors on `device`.
    ///
    /// # Errors
    /// When a tensor cannot be made there.
    pub fn new(ends: Ends, device: &Device) -> Result<Self> {
        let on_device = match device {
            Device::Cpu => None,
            _ => Some(OnDevice {
                source: Tensor::new(ends.source.as_slice(), device)?,
                target: Tensor::new(ends.target.as_slice(), device)?,
                entering: Grouped::by(&ends.target, device)?,
                leaving: Grouped::by(&ends.source, device)?,
                n_sources: n_rows(&ends.source),
                n_targets: n_rows(&ends.target),
            }),
        };
        Ok(Self { ends: Arc::new(ends), on_device })
    }

    /// What takes a row from each of `rows`, in their order.
    ///
    /// # Errors
    /// When a tensor cannot be made on `device`.
    pub fn picking(rows: Vec<u32>, device: &Device) -> Result<Self> {
        let target = (0..rows.len() as u32).collect();
        Self::new(Ends { source: rows, target }, device)
    }

    /// The same edges turned round.
    pub fn reversed(&self) -> Self {
        let turned = |it: &OnDevice| OnDevice {
            source: it.target.clone(),
            target: it.source.clone(),
            entering: it.leaving.clone(),
            leaving: it.entering.clone(),
            n_sources: it.n_targets,
            n_targets: it.n_sources,
        };
        Self {
            ends: Arc::new(self.ends.as_ref().clone().reversed()),
            on_device: self.on_device.as_ref().map(turned),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.source.len()
    }
}

/// Rows there must be for all of `nodes` to be among them.
fn n_rows(nodes: &[u32]) -> usize {
    nodes.iter().max().map_or(0, |last| *last as usize + 1)
}

impl Grouped {
    fn by(nodes: &[u32], device: &Device) -> Result<Self> {
        let n_nodes = n_rows(nodes);
        let mut starts = vec![0_u32; n_nodes + 1];
        for node in nodes {
            starts[*node as usize + 1] += 1;
        }
        for node in 0..n_nodes {
            starts[node + 1] += starts[node];
        }
        let mut edges: Vec<u32> = (0..nodes.len() as u32).collect();
        edges.sort_by_key(|edge| nodes[*edge as usize]); // Stable: in their order.
        Ok(Self { starts: Tensor::new(starts, device)?, edges: Tensor::new(edges, device)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_grouped_by_node_in_their_order() {
        let Grouped { starts, edges } = Grouped::by(&[2, 0, 2, 2], &Device::Cpu).expect("tensors");
        assert_eq!(starts.to_vec1::<u32>().unwrap(), [0, 1, 1, 4]);
        assert_eq!(edges.to_vec1::<u32>().unwrap(), [1, 0, 2, 3]);
    }
}
