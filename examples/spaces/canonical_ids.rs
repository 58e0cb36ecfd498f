//! Which modules of NAS-Bench-101 share an id.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tagates::space::{Architecture, Cell, Edge, OperationIndex};

use crate::tables::{architecture, rows};

/// Random numberings of each module.
const N_RELABELLINGS: usize = 4;

/// Whether modules share an id exactly when they share their hash, and keep it when relabelled.
pub fn check(tables: &[PathBuf], seed: u64) -> anyhow::Result<bool> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut ids_of_hash: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut hashes_of_id: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut n_rows, mut n_relabelled, mut n_changed) = (0_usize, 0_usize, 0_usize);
    for path in tables {
        for row in rows(path)? {
            let hash = row["hash"].as_str().with_context(|| format!("no hash in {row}"))?.to_owned();
            let module = architecture(&row)?;
            let id = module.canonical().id;
            for _ in 0..N_RELABELLINGS {
                let relabelled = relabelled(&module, &mut rng)?;
                n_relabelled += usize::from(relabelled != module);
                if relabelled.canonical().id != id {
                    n_changed += 1;
                    eprintln!("{module} and {relabelled} have different ids");
                }
            }
            hashes_of_id.entry(id.to_string()).or_default().insert(hash.clone());
            ids_of_hash.entry(hash).or_default().insert(id.to_string());
            n_rows += 1;
        }
    }
    let several =
        |sets: &BTreeMap<String, BTreeSet<String>>| sets.values().filter(|set| set.len() > 1).count();
    let (n_split, n_merged) = (several(&ids_of_hash), several(&hashes_of_id));
    println!("{n_rows} modules with {} hashes have {} ids", ids_of_hash.len(), hashes_of_id.len());
    println!("{n_split} hashes have several ids, {n_merged} ids have several hashes");
    println!(
        "{} relabellings, of which {n_relabelled} are written differently: {n_changed} change the id",
        n_rows * N_RELABELLINGS
    );
    Ok(n_rows > 0 && n_split + n_merged + n_changed == 0)
}

/// The module with its inner nodes numbered in another order that has sources before targets.
fn relabelled(module: &Architecture, rng: &mut ChaCha8Rng) -> anyhow::Result<Architecture> {
    let [Cell { n_nodes, node_operations, edges }] = module.cells() else {
        anyhow::bail!("{module} has several cells")
    };
    let output = n_nodes - 1;
    let mut order = vec![0];
    while order.len() < output {
        let is_ready = |node: &usize| {
            !order.contains(node)
                && edges.iter().all(|edge| edge.target != *node || order.contains(&edge.source))
        };
        let ready: Vec<usize> = (1..output).filter(is_ready).collect();
        order.push(*ready.choose(rng).context("a graph without cycles always has a node that is ready")?);
    }
    order.push(output);
    let mut number = vec![0; *n_nodes];
    for (place, node) in order.iter().enumerate() {
        number[*node] = place;
    }
    let node_operations: Vec<OperationIndex> =
        order[1..output].iter().map(|node| node_operations[node - 1]).collect();
    let edges = edges
        .iter()
        .map(|edge| Edge { source: number[edge.source], target: number[edge.target], operation: None })
        .collect();
    Ok(module.space().architecture(vec![Cell { n_nodes: *n_nodes, node_operations, edges }])?)
}
