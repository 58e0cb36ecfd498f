//! What is tried: encoders, training sets and seeds, as data.

use std::collections::HashSet;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::domain::{Goal, Unit};
use crate::experiments::{Surrogate, Tables, Trial};
use crate::fit::{Columns, FitConfig, FitConfigError, Target};
use crate::space::{self, SearchSpace};

/// The grids this binary carries.
const NAMED: [(&str, &str); 19] = [
    ("table1-nasbench101", include_str!("../../configs/grids/table1-nasbench101.toml")),
    ("table1-nasbench201", include_str!("../../configs/grids/table1-nasbench201.toml")),
    ("table1-darts", include_str!("../../configs/grids/table1-darts.toml")),
    ("table3-nasbench101", include_str!("../../configs/grids/table3-nasbench101.toml")),
    ("table3-nasbench201", include_str!("../../configs/grids/table3-nasbench201.toml")),
    ("table2-nasbench101", include_str!("../../configs/grids/table2-nasbench101.toml")),
    ("table2-nasbench201", include_str!("../../configs/grids/table2-nasbench201.toml")),
    ("table2-darts", include_str!("../../configs/grids/table2-darts.toml")),
    ("table2-metrics-nasbench101", include_str!("../../configs/grids/table2-metrics-nasbench101.toml")),
    ("table2-metrics-nasbench201", include_str!("../../configs/grids/table2-metrics-nasbench201.toml")),
    ("tableA7-nasbench101", include_str!("../../configs/grids/tableA7-nasbench101.toml")),
    ("tableA7-nasbench201", include_str!("../../configs/grids/tableA7-nasbench201.toml")),
    ("tableA8-nasbench101", include_str!("../../configs/grids/tableA8-nasbench101.toml")),
    ("tableA9-nasbench101", include_str!("../../configs/grids/tableA9-nasbench101.toml")),
    ("tableA9-nasbench201", include_str!("../../configs/grids/tableA9-nasbench201.toml")),
    ("tableA10-nasbench201", include_str!("../../configs/grids/tableA10-nasbench201.toml")),
    ("ablation-nasbench101", include_str!("../../configs/grids/ablation-nasbench101.toml")),
    ("ablation-nasbench201", include_str!("../../configs/grids/ablation-nasbench201.toml")),
    ("ablation-darts", include_str!("../../configs/grids/ablation-darts.toml")),
];

/// Encoders by training sets: each pair is tried with every start and seed of the set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// What it shows, for people.
    pub title: String,
    /// Built-in search space of the architectures.
    pub space: String,
    /// Column of architectures.
    #[serde(default = "architecture_column")]
    pub architecture_column: String,
    /// Column of saliencies, as `tagates zero-cost --out` writes it.
    pub saliency_column: Option<String>,
    /// Columns of labels after ascending budgets; the last is what tables compare.
    pub targets: Vec<String>,
    /// Unit of the labels.
    pub unit: Unit,
    /// `[column, text]` of the rows to train on.
    pub training_rows: (String, String),
    /// `[column, text]` of the rows to rank.
    pub test_rows: (String, String),
    /// Training sets.
    pub sizes: Vec<Size>,
    /// What is compared.
    pub encoders: Vec<Encoder>,
}

/// A training set of so many rows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Rows to train on.
    pub n: usize,
    /// Rows that are passed over first, one training set each; at the end of the table they go on from its beginning.
    pub starts: Vec<usize>,
    /// Seeds of each training set.
    pub seeds: Vec<u64>,
    /// Pairs of start and seed that are run at most.
    #[serde(default = "all")]
    pub max_runs: usize,
}

impl Size {
    /// Pairs of seed and start, every training set with the first seed first.
    fn runs(&self) -> impl Iterator<Item = (u64, usize)> {
        let pairs = self.seeds.iter().flat_map(|&seed| self.starts.iter().map(move |&start| (seed, start)));
        pairs.take(self.max_runs)
    }
}

/// A row of the table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Encoder {
    /// What the row is called.
    pub name: String,
    /// How it is trained: the name of a built-in configuration, or a TOML file. Or else `surrogate`.
    pub config: Option<String>,
    /// Fields of the configuration that are other here.
    #[serde(default)]
    pub change: toml::Table,
    /// The regression that stands in the row instead of an encoder.
    pub surrogate: Option<Surrogate>,
    /// Whether each target has a predictor of its own, not one for all.
    #[serde(default)]
    pub each_target_apart: bool,
    /// The metrics it sees of each operation, by position in the saliency column; all where none are named.
    pub saliency_metrics: Option<Vec<usize>>,
    /// The paper's figures for the sizes, in their order; NaN where it has none.
    #[serde(default)]
    pub paper: Vec<f64>,
}

/// How what stands in a row predicts.
#[derive(Clone, Debug)]
pub enum Method {
    /// A network is trained so.
    Trained(Box<FitConfig>),
    /// A regression on a fixed description.
    Surrogate(Surrogate),
}

/// Why a grid cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum GridError {
    /// No grid of that name, and no file either.
    #[error("grid {name} is neither built in ({}) nor a file that can be read", known())]
    Unknown {
        /// What was asked for.
        name: String,
        /// Why the file could not be read.
        source: std::io::Error,
    },
    /// Text that is no grid.
    #[error("not a grid")]
    Toml(#[from] toml::de::Error),
    /// A field out of its range.
    #[error("{field}: {problem}")]
    Field {
        /// As it is named in the file.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A configuration that cannot be used.
    #[error("encoders[{index}].config")]
    Config {
        /// Position of the encoder.
        index: usize,
        /// What is wrong with it.
        source: FitConfigError,
    },
}

fn known() -> String {
    NAMED.map(|(name, _)| name).join(", ")
}

fn all() -> usize {
    usize::MAX
}

fn architecture_column() -> String {
    "arch".to_owned()
}

impl Grid {
    /// The grid this binary carries under `name`, or else the one in the file of that name.
    ///
    /// # Errors
    /// When there is neither, or it is no grid.
    pub fn read(name: &str) -> Result<Self, GridError> {
        if let Some((_, text)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Self::parse(text);
        }
        let unknown = |source| GridError::Unknown { name: name.to_owned(), source };
        Self::parse(&std::fs::read_to_string(Path::new(name)).map_err(unknown)?)
    }

    /// A grid from TOML.
    ///
    /// # Errors
    /// When a field is unknown, missing or out of its range.
    pub fn parse(text: &str) -> Result<Self, GridError> {
        let grid: Self = toml::from_str(text)?;
        let field = |holds: bool, field: &str, problem: &str| {
            let refused = || GridError::Field { field: field.to_owned(), problem: problem.to_owned() };
            holds.then_some(()).ok_or_else(refused)
        };
        let spaces: Vec<String> = space::builtins().map(|space| space.name.clone()).collect();
        let problem = format!("{:?} is none of {}", grid.space, spaces.join(", "));
        field(spaces.contains(&grid.space), "space", &problem)?;
        field(!grid.targets.is_empty(), "targets", "is empty")?;
        field(!grid.encoders.is_empty(), "encoders", "is empty")?;
        field(!grid.sizes.is_empty(), "sizes", "is empty")?;
        for (index, size) in grid.sizes.iter().enumerate() {
            field(size.n >= 2, &format!("sizes[{index}].n"), "is not at least 2")?;
            field(!size.starts.is_empty(), &format!("sizes[{index}].starts"), "is empty")?;
            field(!size.seeds.is_empty(), &format!("sizes[{index}].seeds"), "is empty")?;
            let is_new = grid.sizes[..index].iter().all(|other| other.n != size.n);
            field(is_new, &format!("sizes[{index}].n"), "is taken already")?;
        }
        for (index, encoder) in grid.encoders.iter().enumerate() {
            if let Some(metrics) = &encoder.saliency_metrics {
                let name = format!("encoders[{index}].saliency_metrics");
                field(!metrics.is_empty(), &name, "is empty")?;
                let are_distinct = metrics.iter().collect::<HashSet<_>>().len() == metrics.len();
                field(are_distinct, &name, "names a metric twice")?;
                field(encoder.surrogate.is_none(), &name, "is nothing that a surrogate sees")?;
                field(grid.saliency_column.is_some(), &name, "is there without a saliency_column")?;
            }
            let is_known = grid.encoders[..index].iter().all(|other| other.name != encoder.name);
            field(is_known, &format!("encoders[{index}].name"), "is taken already")?;
            let has_figures = encoder.paper.len() <= grid.sizes.len();
            field(has_figures, &format!("encoders[{index}].paper"), "has more figures than there are sizes")?;
        }
        let needs_saliencies = |method: &Method| match method {
            Method::Trained(config) => config.model.n_metrics().is_some(),
            Method::Surrogate(_) => false,
        };
        if let Some(index) = grid.methods()?.iter().position(needs_saliencies) {
            let problem = format!("is missing, and encoders[{index}] needs saliencies");
            field(grid.saliency_column.is_some(), "saliency_column", &problem)?;
        }
        Ok(grid)
    }

    /// How each row predicts, in their order.
    ///
    /// # Errors
    /// When a configuration cannot be used.
    pub fn methods(&self) -> Result<Vec<Method>, GridError> {
        let n_targets = |encoder: &Encoder| if encoder.each_target_apart { 1 } else { self.targets.len() };
        let method = |(index, encoder): (usize, &Encoder)| match (&encoder.config, encoder.surrogate) {
            (Some(config), None) => {
                let config = FitConfig::read_changed(config, &encoder.change)
                    .map_err(|source| GridError::Config { index, source })?;
                let n_seen = encoder.saliency_metrics.as_ref().map(Vec::len);
                if n_seen.is_some() && n_seen != config.model.n_metrics_taken() {
                    return Err(GridError::Field {
                        field: format!("encoders[{index}].saliency_metrics"),
                        problem: "are not as many as the model takes".to_owned(),
                    });
                }
                Ok(Method::Trained(Box::new(config.with_steps_for(n_targets(encoder)))))
            }
            (None, Some(surrogate)) if encoder.change.is_empty() => Ok(Method::Surrogate(surrogate)),
            _ => Err(GridError::Field {
                field: format!("encoders[{index}]"),
                problem: "needs either a config, which a change may alter, or a surrogate".to_owned(),
            }),
        };
        self.encoders.iter().enumerate().map(method).collect()
    }

    /// The search space of its architectures.
    ///
    /// # Panics
    /// Never: it was found when the grid was read.
    #[must_use]
    pub fn search_space(&self) -> Arc<SearchSpace> {
        space::builtin(&self.space).expect("parsed: a built-in space")
    }

    /// What its labels mean. The larger ones are better, as accuracies are.
    #[must_use]
    pub fn goal_and_unit(&self) -> (Goal, Unit) {
        (Goal::Maximize, self.unit)
    }

    /// Where a table keeps what the trials need.
    #[must_use]
    pub fn columns(&self) -> Columns {
        Columns {
            architecture: self.architecture_column.clone(),
            saliencies: self.saliency_column.clone(),
            targets: self.targets.iter().map(|column| Target::of_column(column)).collect(),
        }
    }

    /// The grid with so many runs of each training set's size at most, of those it names.
    #[must_use]
    pub fn with_runs(mut self, n_runs: NonZero<usize>) -> Self {
        for size in &mut self.sizes {
            size.max_runs = size.max_runs.min(n_runs.get());
        }
        self
    }

    /// All trials on `tables`, small training sets first, the encoders of each side by side.
    ///
    /// # Errors
    /// When a configuration cannot be used.
    pub fn trials(&self, tables: &Tables) -> Result<Vec<Trial>, GridError> {
        let setting = |encoder: &Encoder, method: &Method| {
            let method = match method {
                Method::Trained(config) => format!("{config:?}"),
                Method::Surrogate(surrogate) => format!("{surrogate:?}"),
            };
            let mut hash = Sha256::new();
            hash.update(format!("{method} {} {:?}", encoder.each_target_apart, self.targets));
            hash.update(&tables.digest);
            if let Some(metrics) = &encoder.saliency_metrics {
                hash.update(format!(" {metrics:?}"));
            }
            format!("{:x}", hash.finalize())
        };
        let methods = self.methods()?;
        let settings = self.encoders.iter().zip(&methods).map(|(encoder, method)| setting(encoder, method));
        let encoders: Vec<(&Encoder, String)> = self.encoders.iter().zip(settings).collect();
        let mut sizes: Vec<&Size> = self.sizes.iter().collect();
        sizes.sort_by_key(|size| size.n);
        let mut trials = Vec::new();
        for size in sizes {
            for (seed, start) in size.runs() {
                trials.extend(encoders.iter().map(|(encoder, setting)| Trial {
                    encoder: encoder.name.clone(),
                    n: size.n,
                    start,
                    seed,
                    setting: setting.clone(),
                }));
            }
        }
        Ok(trials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_grid_is_valid() {
        for (name, text) in NAMED {
            Grid::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_, text) = NAMED[1];
        for (from, to, message) in [
            (
                "space = \"nasbench201\"",
                "space = \"mars\"",
                "space: \"mars\" is none of darts, enas, nasbench101, nasbench201",
            ),
            ("n = 78", "n = 1", "sizes[1].n: is not at least 2"),
            ("n = 78", "n = 39", "sizes[1].n: is taken already"),
            ("name = \"GATES\"", "name = \"TA-GATES\"", "encoders[1].name: is taken already"),
            (
                "config = \"paper/nasbench201\"",
                "config = \"paper/nasbench201\"\nsurrogate = \"nasbowl\"",
                "encoders[0]: needs either a config, which a change may alter, or a surrogate",
            ),
            (
                "config = \"paper/nasbench201\"",
                "config = \"paper/nasbench201\"\nsaliency_metrics = [0]",
                "encoders[0].saliency_metrics: is there without a saliency_column",
            ),
            (
                "[[encoders]]\nname = \"TA-GATES\"\nconfig = \"paper/nasbench201\"",
                "saliency_column = \"z\"\n[[encoders]]\nname = \"TA-GATES\"\nconfig = \"paper/nasbench201\"\nsaliency_metrics = [0]",
                "encoders[0].saliency_metrics: are not as many as the model takes",
            ),
            (
                "config = \"paper/nasbench201\"",
                "config = \"paper/nasbench201\"\nsaliency_metrics = [1, 1]",
                "encoders[0].saliency_metrics: names a metric twice",
            ),
            (
                "config = \"paper/nasbench201\"",
                "config = \"paper/nasbench201\"\nchange = { model.encoder.ta_gates.symmetry_breaking = { concat = { n_metrics = 7 } } }",
                "saliency_column: is missing, and encoders[0] needs saliencies",
            ),
            (
                "config = \"paper/nasbench201\"",
                "config = \"paper/nasbench201\"\nsaliency_metrics = []",
                "encoders[0].saliency_metrics: is empty",
            ),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(Grid::parse(&text.replace(from, to)).unwrap_err().to_string(), message);
        }
    }

    fn tables(label: f64) -> Tables {
        use crate::fit::{Dataset, Example};

        let grid = Grid::parse(NAMED[1].1).expect("valid");
        let empty = Dataset::empty(&grid.search_space(), &grid.columns().targets, grid.goal_and_unit());
        let examples = grid.search_space().sample(3, 0).into_iter().map(|architecture| Example {
            class: architecture.canonical().id,
            architecture,
            saliencies: None,
            labels: vec![Some(label)],
            infeasible: Vec::new(),
        });
        Tables::new(Dataset { examples: examples.collect(), ..empty.clone() }, empty)
    }

    #[test]
    fn every_encoder_meets_every_training_set() {
        let grid = Grid::parse(NAMED[1].1).expect("valid");
        let n_sets: usize = grid.sizes.iter().map(|size| size.starts.len() * size.seeds.len()).sum();
        let trials = |grid: &Grid| grid.trials(&tables(1.0)).expect("sound");
        assert_eq!(trials(&grid).len(), n_sets * grid.encoders.len());
        let (one, two) = (NonZero::new(1).expect("not 0"), NonZero::new(2).expect("not 0"));
        let limited = grid.clone().with_runs(one).with_runs(two);
        assert_eq!(trials(&limited).len(), grid.sizes.len() * grid.encoders.len());
    }

    #[test]
    fn a_trial_on_other_labels_or_with_another_configuration_is_another_one() {
        let grid = Grid::parse(NAMED[1].1).expect("valid");
        let first = |grid: &Grid, label: f64| grid.trials(&tables(label)).expect("sound").swap_remove(0);
        assert_eq!(first(&grid, 1.0), first(&grid, 1.0));
        assert_ne!(first(&grid, 1.0), first(&grid, 2.0));
        let mut changed = grid.clone();
        changed.encoders[0].config = Some("paper/gates-nasbench201".to_owned());
        assert_ne!(first(&grid, 1.0), first(&changed, 1.0));
    }
}
