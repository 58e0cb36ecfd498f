//! The search spaces this binary knows without being told.

use std::sync::{Arc, LazyLock};

use crate::space::SearchSpace;

static DARTS: LazyLock<Arc<SearchSpace>> = LazyLock::new(|| definition(include_str!("darts.toml")));
static ENAS: LazyLock<Arc<SearchSpace>> = LazyLock::new(|| definition(include_str!("enas.toml")));
static NASBENCH101: LazyLock<Arc<SearchSpace>> =
    LazyLock::new(|| definition(include_str!("nasbench101.toml")));
static NASBENCH201: LazyLock<Arc<SearchSpace>> =
    LazyLock::new(|| definition(include_str!("nasbench201.toml")));

/// Every built-in, in the order in which they are listed.
static BUILTINS: [&LazyLock<Arc<SearchSpace>>; 4] = [&DARTS, &ENAS, &NASBENCH101, &NASBENCH201];

/// DARTS (Liu et al., 2019), the space of NAS-Bench-301.
#[must_use]
pub fn darts() -> Arc<SearchSpace> {
    Arc::clone(&DARTS)
}

/// ENAS (Pham et al., 2018): the micro search space.
#[must_use]
pub fn enas() -> Arc<SearchSpace> {
    Arc::clone(&ENAS)
}

/// NAS-Bench-101 (Ying et al., 2019): cells of up to seven nodes with operations on the nodes.
#[must_use]
pub fn nasbench101() -> Arc<SearchSpace> {
    Arc::clone(&NASBENCH101)
}

/// NAS-Bench-201 (Dong and Yang, 2020): 15,625 cells of four nodes with operations on the edges.
#[must_use]
pub fn nasbench201() -> Arc<SearchSpace> {
    Arc::clone(&NASBENCH201)
}

/// All built-in search spaces.
pub fn builtins() -> impl Iterator<Item = Arc<SearchSpace>> {
    BUILTINS.iter().map(|space| Arc::clone(space))
}

/// The built-in search space of this name.
#[must_use]
pub fn builtin(name: &str) -> Option<Arc<SearchSpace>> {
    builtins().find(|space| space.name == name)
}

fn definition(toml: &str) -> Arc<SearchSpace> {
    Arc::new(toml::from_str(toml).expect("built-in definitions are valid, a test reads them all"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_found_by_its_name_and_no_two_share_one() {
        for space in builtins() {
            assert!(Arc::ptr_eq(&space, &builtin(&space.name).expect("listed, so found")));
        }
        assert!(builtin("nasbench202").is_none());
    }
}
