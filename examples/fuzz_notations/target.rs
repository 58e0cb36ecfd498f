//! What is fed with texts, and what must hold of those that are accepted.

use std::sync::Arc;

use tagates::space::{Architecture, Definition, SearchSpace, builtins};

/// Architectures of an accepted space that are looked at.
const N_SAMPLED: usize = 2;

/// Spaces of one's own, for the notation that no built-in space has.
const OWN: [&str; 3] = [
    r#"{"name":"edges","description":"","placement":"edge","wiring":{"free":{"max_edges":12}},
    "cells":[{"name":"a","n_nodes":6,"n_inputs":2,"min_nodes":3},{"name":"b","n_nodes":4,"n_inputs":1}],
    "operations":[{"name":"none","role":"none"},{"name":"skip","role":"skip"},{"name":"conv","role":"parametrised"}]}"#,
    r#"{"name":"nodes","description":"","placement":"node","wiring":{"free":{"max_edges":128}},"output":"concatenation",
    "dead_nodes":"pruned","cells":[{"name":"a","n_nodes":16,"n_inputs":1,"min_nodes":2}],
    "operations":[{"name":"pool","role":"free"},{"name":"skip","role":"skip"},{"name":"conv","role":"parametrised"}]}"#,
    r#"{"name":"parallel","description":"","placement":"edge",
    "wiring":{"per_node":{"n_edges":7,"may_repeat":true,"output":"loose_ends"}},"output":"concatenation",
    "cells":[{"name":"a","n_nodes":16,"n_inputs":2},{"name":"b","n_nodes":16,"n_inputs":2,"reduces":true}],
    "operations":[{"name":"none","role":"none"},{"name":"skip","role":"skip"},{"name":"conv","role":"parametrised"}]}"#,
];

/// Words of definitions that those of the built-in spaces do not have.
pub const WORDS: [&str; 20] = [
    "complete",
    "free",
    "per_node",
    "max_edges",
    "n_edges",
    "may_repeat",
    "inner_nodes",
    "loose_ends",
    "kept",
    "pruned",
    "mean_of_nodes",
    "sum",
    "graph",
    "edge_groups",
    "module_spec",
    "genotype",
    "min_nodes",
    "skeleton",
    "darts",
    "\"wiring\":{\"per_node\":{\"n_edges\":2,\"may_repeat\":true,\"output\":\"loose_ends\"}}",
];

pub enum Target {
    /// The notation of a space.
    Notation(Arc<SearchSpace>),
    /// Definitions of spaces.
    Toml,
    Json,
}

/// What a text was found to be.
pub enum Read {
    Architecture(Architecture),
    Space(Box<SearchSpace>),
}

/// The built-in spaces and those of one's own.
fn spaces() -> anyhow::Result<Vec<Arc<SearchSpace>>> {
    let mut spaces: Vec<_> = builtins().collect();
    for definition in OWN {
        spaces.push(Arc::new(serde_json::from_str(definition)?));
    }
    Ok(spaces)
}

/// What a user would write to have a space of that kind.
fn own_definition(space: &SearchSpace) -> Definition {
    Definition { name: format!("own-{}", space.name), ..space.definition() }
}

impl Target {
    pub fn all() -> anyhow::Result<Vec<Self>> {
        let notations = spaces()?.into_iter().map(Self::Notation);
        Ok(notations.chain([Self::Toml, Self::Json]).collect())
    }

    pub fn name(&self) -> String {
        match self {
            Self::Notation(space) => format!("architectures of {}", space.name),
            Self::Toml => "spaces in TOML".to_owned(),
            Self::Json => "spaces in JSON".to_owned(),
        }
    }

    /// Texts that are accepted.
    pub fn seeds(&self) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Notation(space) => {
                let texts =
                    space.sample(200, 1).into_iter().map(|architecture| architecture.text().to_owned());
                Ok(texts.collect())
            }
            Self::Toml => {
                let texts = |space: &Arc<SearchSpace>| {
                    Ok([toml::to_string(&**space)?, toml::to_string(&own_definition(space))?])
                };
                Ok(spaces()?.iter().map(texts).collect::<anyhow::Result<Vec<_>>>()?.concat())
            }
            Self::Json => {
                let texts = |space: &Arc<SearchSpace>| {
                    Ok([serde_json::to_string(&**space)?, serde_json::to_string(&own_definition(space))?])
                };
                Ok(spaces()?.iter().map(texts).collect::<anyhow::Result<Vec<_>>>()?.concat())
            }
        }
    }

    /// What the product does with a text from outside.
    pub fn read(&self, text: &str) -> Option<Read> {
        let (space, definition) = match self {
            Self::Notation(space) => return space.parse(text).ok().map(Read::Architecture),
            Self::Toml => (toml::from_str(text).ok(), toml::from_str(text).ok()),
            Self::Json => (serde_json::from_str(text).ok(), serde_json::from_str(text).ok()),
        };
        // As it is kept, and as a user may define one: whatever is sound as the latter is as the former.
        let defined = definition.and_then(|definition| SearchSpace::custom(definition).ok());
        assert!(defined.is_none() || space.is_some(), "a space that can be defined can be kept");
        defined.or(space).map(|space| Read::Space(Box::new(space)))
    }
}

impl Read {
    /// # Panics
    /// When something accepted is not as promised.
    pub fn check(self) {
        match self {
            Self::Architecture(architecture) => check_architecture(&architecture),
            Self::Space(space) => check_space(*space),
        }
    }
}

fn check_space(space: SearchSpace) {
    let toml = toml::to_string(&space).expect("a space can be written as TOML");
    assert_eq!(toml::from_str::<SearchSpace>(&toml).expect("and read again"), space);
    let json = serde_json::to_string(&space).expect("a space can be written as JSON");
    assert_eq!(serde_json::from_str::<SearchSpace>(&json).expect("and read again"), space);
    for architecture in Arc::new(space).sample(N_SAMPLED, 1) {
        check_architecture(&architecture);
    }
}

fn check_architecture(architecture: &Architecture) {
    let space = architecture.space();
    let again = space.parse(architecture.text()).expect("what is printed can be read");
    assert_eq!(again.cells(), architecture.cells(), "what is printed means the same");
    assert_eq!(again.text(), architecture.text(), "and is printed the same");
    let canonical = architecture.canonical();
    assert_eq!(canonical.representatives().len(), space.cells.len(), "a representative for each cell");
    let id = canonical.id;
    assert!(id.as_str().starts_with(&format!("{}.c1.", space.name)), "{id} names the space");
    if let Some(cost) = architecture.cost() {
        assert!(cost.parameters > 0 && cost.flops > 0, "{cost:?} of a network with a stem");
    }
    let svg = architecture.svg();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "the image is whole");
    // In attributes: a name may well contain these letters.
    assert!(
        !["\"NaN", "\"inf", "\"-inf", ",NaN", ",inf"].iter().any(|odd| svg.contains(odd)),
        "numbers only"
    );
}
