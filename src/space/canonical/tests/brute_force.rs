//! The ids of all of NAS-Bench-201 against a second account of what cells compute.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::space::{Architecture, nasbench201};

/// What the output depends on: operations as `(name, terms of its sum)`, and the output's terms.
/// Terms are instances by number, the input last, repeated as often as they are added.
type Account = (Vec<(&'static str, Vec<usize>)>, Vec<usize>);

const INPUT: usize = usize::MAX;
const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];

/// Follows every path back from the output, and takes the smallest account over all ways to number
/// the operations met on the way.
fn smallest_account(architecture: &Architecture) -> Account {
    let names: Vec<&'static str> = names(architecture);
    let mut sums = BTreeMap::new();
    let output = terms(3, &names, &mut sums);
    let instances: Vec<usize> = sums.keys().copied().collect();
    permutations(instances.len())
        .into_iter()
        .map(|permutation| {
            let number = |edge: &usize| match instances.iter().position(|instance| instance == edge) {
                Some(position) => permutation[position],
                None => INPUT,
            };
            let renumber = |terms: &[usize]| {
                let mut terms: Vec<_> = terms.iter().map(number).collect();
                terms.sort_unstable();
                terms
            };
            let mut operations: Vec<_> =
                sums.iter().map(|(edge, sum)| (number(edge), (names[*edge], renumber(sum)))).collect();
            operations.sort_unstable();
            (operations.into_iter().map(|(_, operation)| operation).collect(), renumber(&output))
        })
        .min()
        .expect("there is at least one permutation")
}

/// The terms that are added up in `node`, where an operation is the edge it is written on.
fn terms(node: usize, names: &[&'static str], sums: &mut BTreeMap<usize, Vec<usize>>) -> Vec<usize> {
    if node == 0 {
        return vec![INPUT];
    }
    let mut all = Vec::new();
    for (edge, &(source, _)) in EDGES.iter().enumerate().filter(|(_, (_, target))| *target == node) {
        match names[edge] {
            "none" => {}
            "skip_connect" => all.extend(terms(source, names, sums)),
            _ => {
                let sum = terms(source, names, sums);
                if !sum.is_empty() {
                    sums.insert(edge, sum);
                    all.push(edge);
                }
            }
        }
    }
    all
}

fn names(architecture: &Architecture) -> Vec<&'static str> {
    let known = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"];
    architecture.operations().map(|operation| known[operation.0]).collect()
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = permutations(n - 1);
    let insert = |permutation: &Vec<usize>, place| {
        let mut longer = permutation.clone();
        longer.insert(place, n - 1);
        longer
    };
    shorter.iter().flat_map(|permutation| (0..n).map(move |place| insert(permutation, place))).collect()
}

#[test]
fn the_whole_space_has_5425_classes_and_they_are_those_of_the_second_account() {
    let mut ids: HashMap<Account, HashSet<String>> = HashMap::new();
    for architecture in nasbench201().enumerate().expect("finite") {
        ids.entry(smallest_account(&architecture))
            .or_default()
            .insert(architecture.canonical().id.to_string());
    }
    assert_eq!(ids.len(), 5_425);
    assert!(ids.values().all(|ids| ids.len() == 1), "members of a class share their id");
    assert_eq!(ids.values().flatten().collect::<HashSet<_>>().len(), 5_425, "and with no other class");
}
