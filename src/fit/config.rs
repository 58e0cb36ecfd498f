//! How a predictor is trained, as a named data file.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::model::{ConfigError, Encoder, Heads, MAX_MEMBERS, ModelConfig};
use crate::space::{Placement, SearchSpace};

/// A configuration: the model and how it is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitConfig {
    /// The shape of the predictor.
    pub model: ModelConfig,
    /// Passes over the training set.
    pub n_epochs: usize,
    /// Architectures in one step of the optimiser.
    pub batch_size: usize,
    /// The predictor is the mean of the weights after so many of the last epochs; with 0 those after the very last.
    #[serde(default)]
    pub averaged_epochs: usize,
    /// So many networks are trained, each from a seed of its own, and their scores averaged (deep ensembles,
    /// Lakshminarayanan et al., 2017). An epoch is one of all, and a run stops at the end of one.
    #[serde(default = "one")]
    pub n_members: usize,
    /// What is minimised.
    pub loss: Loss,
    /// How.
    pub optimizer: Optimizer,
}

fn one() -> usize {
    1
}

/// What is minimised, summed over the scored time steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// The mean over pairs of max(0, margin - (score of the better - score of the worse)); ties in
    /// the labels make no pair (Eq. A6, `method.md` section 6).
    PairwiseHinge {
        /// How far apart scores shall be.
        margin: f64,
        /// Which pairs of a batch.
        pairs: Pairs,
    },
    /// The mean of (sigmoid(score) - label)^2, labels as fractions (`method.md` section 8).
    MeanSquaredError,
}

/// Which pairs of a batch the hinge loss sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Pairs {
    /// All of them. The head's dropout is drawn once for each architecture.
    All,
    /// At most so many times the number of architectures, drawn anew in each step. Dropout is drawn
    /// for each member of each pair, as in the published code.
    PerArchitecture(f64),
}

/// Adam with decoupled weight decay.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// At its highest.
    pub learning_rate: f64,
    /// Share of a weight that is taken off in each step, times the learning rate. 0 is Adam.
    pub weight_decay: f64,
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// How the learning rate changes over the steps.
    pub schedule: Schedule,
}

/// How the learning rate changes over the steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Rises linearly from 0 over a share of the steps, then falls to 0 along half a cosine.
    WarmupCosine {
        /// Share of all steps in which it rises.
        warmup_share: f64,
    },
}

/// Why a text is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum FitConfigError {
    /// Neither a name nor a file.
    #[error("{name:?} is neither a built-in configuration ({}) nor a file that can be read", FitConfig::names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// No TOML, or with other fields.
    #[error("configuration cannot be read")]
    Toml(#[from] toml::de::Error),
    /// A model that cannot be built.
    #[error("model.{0}")]
    Model(ConfigError),
    /// A value that cannot be trained with.
    #[error("{field}: {problem}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

impl From<ConfigError> for FitConfigError {
    fn from(error: ConfigError) -> Self {
        Self::Model(error)
    }
}

/// Architectures in one step, at most: the pairs of a step are listed in memory.
const MAX_BATCH_SIZE: usize = 1 << 16;

/// The configurations this binary carries.
const NAMED: [(&str, &str); 31] = [
    ("anytime/nasbench101-gates-mse", include_str!("../../configs/anytime/nasbench101-gates-mse.toml")),
    (
        "anytime/nasbench101-gates-ranking",
        include_str!("../../configs/anytime/nasbench101-gates-ranking.toml"),
    ),
    ("anytime/nasbench101-ta-gates-mse", include_str!("../../configs/anytime/nasbench101-ta-gates-mse.toml")),
    (
        "anytime/nasbench101-ta-gates-ranking",
        include_str!("../../configs/anytime/nasbench101-ta-gates-ranking.toml"),
    ),
    ("anytime/nasbench201-gates-mse", include_str!("../../configs/anytime/nasbench201-gates-mse.toml")),
    (
        "anytime/nasbench201-gates-ranking",
        include_str!("../../configs/anytime/nasbench201-gates-ranking.toml"),
    ),
    ("anytime/nasbench201-ta-gates-mse", include_str!("../../configs/anytime/nasbench201-ta-gates-mse.toml")),
    (
        "anytime/nasbench201-ta-gates-ranking",
        include_str!("../../configs/anytime/nasbench201-ta-gates-ranking.toml"),
    ),
    ("darts", include_str!("../../configs/darts.toml")),
    ("enas", include_str!("../../configs/enas.toml")),
    ("nasbench101", include_str!("../../configs/nasbench101.toml")),
    ("nasbench201", include_str!("../../configs/nasbench201.toml")),
    ("paper/darts", include_str!("../../configs/paper/darts.toml")),
    ("paper/enas", include_str!("../../configs/paper/enas.toml")),
    ("paper/gates-darts", include_str!("../../configs/paper/gates-darts.toml")),
    ("paper/gates-nasbench101", include_str!("../../configs/paper/gates-nasbench101.toml")),
    ("paper/gates-nasbench201", include_str!("../../configs/paper/gates-nasbench201.toml")),
    ("paper/gcn-darts", include_str!("../../configs/paper/gcn-darts.toml")),
    ("paper/gcn-nasbench101", include_str!("../../configs/paper/gcn-nasbench101.toml")),
    ("paper/gcn-nasbench201", include_str!("../../configs/paper/gcn-nasbench201.toml")),
    ("paper/lstm-darts", include_str!("../../configs/paper/lstm-darts.toml")),
    ("paper/lstm-nasbench101", include_str!("../../configs/paper/lstm-nasbench101.toml")),
    ("paper/lstm-nasbench201", include_str!("../../configs/paper/lstm-nasbench201.toml")),
    ("paper/mlp-darts", include_str!("../../configs/paper/mlp-darts.toml")),
    ("paper/mlp-nasbench101", include_str!("../../configs/paper/mlp-nasbench101.toml")),
    ("paper/mlp-nasbench201", include_str!("../../configs/paper/mlp-nasbench201.toml")),
    ("paper/nasbench101", include_str!("../../configs/paper/nasbench101.toml")),
    ("paper/nasbench201", include_str!("../../configs/paper/nasbench201.toml")),
    ("paper/seminas-darts", include_str!("../../configs/paper/seminas-darts.toml")),
    ("paper/seminas-nasbench101", include_str!("../../configs/paper/seminas-nasbench101.toml")),
    ("paper/seminas-nasbench201", include_str!("../../configs/paper/seminas-nasbench201.toml")),
];

fn text_of(name: &str) -> Result<Cow<'static, str>, FitConfigError> {
    if let Some((_, text)) = NAMED.iter().find(|(known, _)| *known == name) {
        return Ok(Cow::Borrowed(text));
    }
    let read = std::fs::read_to_string(name);
    read.map(Cow::Owned).map_err(|source| FitConfigError::Unknown { name: name.to_owned(), source })
}

/// Puts the values of `changes` into `table`, those of tables one by one.
fn merge(table: &mut toml::Table, changes: &toml::Table) {
    for (key, change) in changes {
        match (table.get_mut(key), change) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(changes)) => merge(inner, changes),
            _ => {
                table.insert(key.clone(), change.clone());
            }
        }
    }
}

impl FitConfig {
    /// The names of the configurations this binary carries.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// The configuration this binary carries under `name`.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = NAMED.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(text).expect("configurations of the binary are valid"))
    }

    /// The configuration this binary carries under `name`, or else the one in the file of that name.
    ///
    /// # Errors
    /// When there is neither, or the file is no configuration.
    pub fn read(name: &str) -> Result<Self, FitConfigError> {
        Self::parse(&text_of(name)?)
    }

    /// As [`Self::read`], with the fields that `changes` has in place of its own.
    ///
    /// # Errors
    /// As [`Self::read`], and when a change makes it no configuration.
    pub fn read_changed(name: &str, changes: &toml::Table) -> Result<Self, FitConfigError> {
        let mut table: toml::Table = toml::from_str(&text_of(name)?)?;
        merge(&mut table, changes);
        Self::parse(&table.to_string())
    }

    /// What trains predictors of `n_targets` targets in `space` if nobody says otherwise: the configuration named
    /// after the space, or for a space of the user's own that of the built-in one most like it, with as many layers
    /// as the longest path needs; a time step more for each target there are too few of.
    #[must_use]
    pub fn default_for(space: &SearchSpace, n_targets: usize) -> Self {
        Self::named(&space.name).unwrap_or_else(|| Self::like(space)).with_steps_for(n_targets)
    }

    /// The same with a time step for each target at least, where each needs one; an encoder that can have no more than
    /// one gets a head with an output for each.
    #[must_use]
    pub fn with_steps_for(mut self, n_targets: usize) -> Self {
        match &mut self.model.encoder {
            Encoder::TaGates(encoder) if self.model.heads == Heads::PerStep => {
                encoder.n_steps = encoder.n_steps.max(n_targets);
            }
            Encoder::TaGates(_) => {}
            _ if n_targets > 1 => self.model.heads = Heads::LastStep,
            _ => {}
        }
        self
    }

    fn like(space: &SearchSpace) -> Self {
        let has_one_input = space.cells.len() == 1 && space.cells[0].n_inputs == 1;
        let name = match space.placement {
            Placement::Node => "nasbench101",
            Placement::Edge if has_one_input => "nasbench201",
            Placement::Edge => "darts",
        };
        let mut config = Self::named(name).expect("the default configurations are built in");
        config.model.features.cost &= space.skeleton().is_some();
        if let Encoder::TaGates(encoder) = &mut config.model.encoder {
            encoder.read_out = None; // As the space's definition says.
            let longest_path = space.cells.iter().map(|cell| cell.n_nodes - cell.n_inputs).max().unwrap_or(1);
            for dims in [&mut encoder.forward_dims, &mut encoder.backward_dims] {
                dims.resize(longest_path, dims[0]);
            }
        }
        config
    }

    /// A configuration from TOML.
    ///
    /// # Errors
    /// When a field is unknown, missing or out of its range.
    pub fn parse(text: &str) -> Result<Self, FitConfigError> {
        let config: Self = toml::from_str(text)?;
        config.model.validate()?;
        let field = |holds: bool, field: &'static str, problem: &'static str| {
            if holds { Ok(()) } else { Err(FitConfigError::Field { field, problem }) }
        };
        field(config.n_epochs >= 1, "n_epochs", "is not at least 1")?;
        let is_share = config.averaged_epochs <= config.n_epochs;
        field(is_share, "averaged_epochs", "is more than n_epochs")?;
        field((1..=MAX_MEMBERS).contains(&config.n_members), "n_members", "is not between 1 and 16")?;
        let is_batch = (2..=MAX_BATCH_SIZE).contains(&config.batch_size);
        field(is_batch, "batch_size", "is not between 2 and 65536")?;
        let optimizer = &config.optimizer;
        let positive = |number: f64| number > 0.0 && number.is_finite();
        field(positive(optimizer.learning_rate), "optimizer.learning_rate", "is not above 0 and finite")?;
        let is_decay = (0.0..1.0).contains(&optimizer.weight_decay);
        field(is_decay, "optimizer.weight_decay", "is not at least 0 and below 1")?;
        let decays = [optimizer.betas.0, optimizer.betas.1];
        field(
            decays.iter().all(|beta| (0.0..1.0).contains(beta)),
            "optimizer.betas",
            "are not at least 0 and below 1",
        )?;
        field(positive(optimizer.epsilon), "optimizer.epsilon", "is not above 0 and finite")?;
        if let Schedule::WarmupCosine { warmup_share } = optimizer.schedule {
            field(
                (0.0..1.0).contains(&warmup_share),
                "optimizer.schedule.warmup_cosine.warmup_share",
                "is not at least 0 and below 1",
            )?;
        }
        if let Loss::PairwiseHinge { margin, pairs } = config.loss {
            field(positive(margin), "loss.pairwise_hinge.margin", "is not above 0 and finite")?;
            if let Pairs::PerArchitecture(ratio) = pairs {
                let name = "loss.pairwise_hinge.pairs.per_architecture";
                field(positive(ratio), name, "is not above 0 and finite")?;
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_configuration_is_valid() {
        for (name, text) in NAMED {
            FitConfig::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn there_is_a_default_for_every_space_a_user_can_define() {
        let operations = r#"[{"name":"conv","role":"parametrised"},{"name":"skip","role":"skip"},{"name":"none","role":"none"}]"#;
        let cell = |name: &str, n_inputs| format!(r#"{{"name":"{name}","n_nodes":5,"n_inputs":{n_inputs}}}"#);
        for (placement, wiring, cells) in [
            ("node", r#"{"free":{"max_edges":8}}"#, cell("one", 1)),
            ("edge", r#""complete""#, cell("one", 1)),
            ("edge", r#"{"free":{"max_edges":8}}"#, cell("one", 2)),
            (
                "edge",
                r#"{"per_node":{"n_edges":2,"may_repeat":false,"output":"inner_nodes"}}"#,
                cell("a", 2) + "," + &cell("b", 2),
            ),
        ] {
            let definition = format!(
                r#"{{"name":"own","description":"","placement":"{placement}","wiring":{wiring},
                "operations":{operations},"cells":[{cells}]}}"#
            );
            let definition = serde_json::from_str(&definition).expect("a definition");
            let space = SearchSpace::custom(definition).expect("a sound one");
            for n_targets in [1, 5] {
                let model = FitConfig::default_for(&space, n_targets).model;
                model.check_space(&space).expect("a model of the space");
                assert!(model.n_steps() >= n_targets);
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let (_, text) = NAMED.iter().find(|(name, _)| *name == "paper/nasbench201").expect("a name");
        for (from, to, message) in [
            ("n_steps = 3", "n_steps = 0", "model.encoder.ta_gates.n_steps: 0 is not between 1 and 64"),
            ("n_epochs = 200", "n_epochs = 200\nn_members = 17", "n_members: is not between 1 and 16"),
            ("batch_size = 512", "batch_size = 1", "batch_size: is not between 2 and 65536"),
            (
                "learning_rate = 1e-3",
                "learning_rate = nan",
                "optimizer.learning_rate: is not above 0 and finite",
            ),
            ("margin = 0.1", "margin = -1.0", "loss.pairwise_hinge.margin: is not above 0 and finite"),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(FitConfig::parse(&text.replace(from, to)).unwrap_err().to_string(), message);
        }
        assert!(FitConfig::parse(&format!("speed = 9\n{text}")).is_err());
    }
}
