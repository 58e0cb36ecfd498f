//! The search spaces there are: built in, or created by users and kept in the store.

use std::sync::Arc;

use tonic::Status;

use crate::grpc::StoreAccess;
use crate::pb::WireError;
use crate::space::{self, SearchSpace};

/// Names listed where another one is not known.
const N_LISTED: usize = 20;

/// Finds search spaces. Built-in ones need no database, so they are found by their names whatever it keeps. Tasks of a
/// space that was created before a built-in had its name keep the space.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct KnownSpaces {
    store: StoreAccess,
}

impl KnownSpaces {
    pub fn new(store: StoreAccess) -> Self {
        Self { store }
    }

    /// The search space of that name, `None` where there is none.
    ///
    /// # Errors
    /// When it is no built-in one and the store does not answer.
    pub async fn named(&self, name: &str) -> Result<Option<Arc<SearchSpace>>, Status> {
        match space::builtin(name) {
            Some(space) => Ok(Some(space)),
            None if !may_be_name(name) => Ok(None),
            None => Ok(self.store.get()?.search_space_get(name).await?),
        }
    }

    /// Up to `limit` search spaces after a name, ascending by name.
    ///
    /// # Errors
    /// When the store does not answer: a list without some would be wrong.
    pub async fn after(&self, name: &str, limit: usize) -> Result<Vec<Arc<SearchSpace>>, Status> {
        if !may_be_name(name) {
            return Err(WireError::new("page_token", "is no next_page_token of this list").into());
        }
        let limit_of_page = u32::try_from(limit).unwrap_or(u32::MAX);
        let created = self.store.get()?.search_spaces_list(name, limit_of_page).await?;
        Ok(merged(space::builtins().filter(|space| *space.name > *name), created, limit))
    }

    /// Why a name is none, with those that are.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn unknown(&self, name: &str) -> Result<String, Status> {
        let mut names: Vec<String> =
            self.after("", N_LISTED + 1).await?.iter().map(|space| space.name.clone()).collect();
        if names.len() > N_LISTED {
            names.truncate(N_LISTED);
            names.push("..".to_owned());
        }
        Ok(format!("\"{name:.64}\" is not known, only {}", names.join(", ")))
    }
}

/// Whether it is worth asking for. Not every database takes every text.
fn may_be_name(name: &str) -> bool {
    name.len() <= space::MAX_NAME_BYTES && !name.contains(char::is_control)
}

/// Both in the order of their names. A built-in hides a space of its name that was created when it was none yet.
fn merged(
    builtins: impl Iterator<Item = Arc<SearchSpace>>,
    created: Vec<Arc<SearchSpace>>,
    limit: usize,
) -> Vec<Arc<SearchSpace>> {
    let mut spaces: Vec<_> = builtins.chain(created).collect();
    spaces.sort_by(|a, b| a.name.cmp(&b.name));
    spaces.dedup_by(|later, earlier| later.name == earlier.name);
    spaces.truncate(limit);
    spaces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(names: &[&str]) -> Vec<Arc<SearchSpace>> {
        let renamed = |name: &&str| {
            let definition =
                space::Definition { name: (*name).to_owned(), ..space::nasbench201().definition() };
            Arc::new(SearchSpace::custom(definition).expect("sound"))
        };
        names.iter().map(renamed).collect()
    }

    #[test]
    fn built_in_and_created_spaces_are_listed_together_by_name() {
        let names = |limit| {
            let spaces = merged(space::builtins(), created(&["a", "eigen", "z"]), limit);
            spaces.iter().map(|space| space.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(9), ["a", "darts", "eigen", "enas", "nasbench101", "nasbench201", "z"]);
        assert_eq!(names(3), ["a", "darts", "eigen"]);
    }
}
