//! Zero-cost saliencies of one architecture, the Z of the paper: given from outside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How saliencies were measured: those of one origin can be compared, and are measured once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaliencyOrigin {
    /// What the proxy setting was called. Only for people.
    pub proxy: String,
    /// SHA-256, as 64 hexadecimal digits, of all that the measurement depends on but seed and architecture.
    pub digest: String,
    /// Where weights, images and classes came from.
    pub seed: u64,
}

impl SaliencyOrigin {
    /// Whether both measure the same, whatever they are called.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.digest, self.seed) == (&other.digest, other.seed)
    }
}

impl fmt::Display for SaliencyOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {} and seed {}", self.proxy, self.seed)
    }
}

/// Per-operation zero-cost metrics (`method.md` section 5), in written order: per cell, one row for each edge where
/// operations sit on edges, else one for each node, inputs and output included.
#[derive(Clone, Debug, PartialEq)]
pub struct Saliencies {
    n_metrics: usize,
    values: Vec<f64>,
}

/// Why numbers are no saliencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaliencyError {
    /// A row that is not complete.
    #[error("{n_values} values do not fill rows of {n_metrics} metrics")]
    Ragged {
        /// Values given.
        n_values: usize,
        /// Metrics an operation.
        n_metrics: usize,
    },
    /// NaN, infinite, or too large for the 32 bits a model computes with.
    #[error("value {index} is not a finite number of 32 bits")]
    NotFinite {
        /// Position of the first such value.
        index: usize,
    },
}

impl Saliencies {
    /// Saliencies from `values`, `[n_operations, n_metrics]` row by row.
    ///
    /// # Errors
    /// When the values are not finite or do not fill whole rows.
    pub fn new(n_metrics: usize, values: Vec<f64>) -> Result<Self, SaliencyError> {
        if n_metrics == 0 || !values.len().is_multiple_of(n_metrics) {
            return Err(SaliencyError::Ragged { n_values: values.len(), n_metrics });
        }
        match values.iter().position(|value| !(*value as f32).is_finite()) {
            Some(index) => Err(SaliencyError::NotFinite { index }),
            None => Ok(Self { n_metrics, values }),
        }
    }

    /// Saliencies from a row of metrics for each operation.
    ///
    /// # Errors
    /// When rows differ in length, or values are not finite.
    pub fn from_rows(rows: &[Vec<f64>]) -> Result<Self, SaliencyError> {
        let n_metrics = rows.first().map_or(0, Vec::len);
        match rows.iter().find(|row| row.len() != n_metrics) {
            Some(row) => Err(SaliencyError::Ragged { n_values: row.len(), n_metrics }),
            None => Self::new(n_metrics, rows.concat()),
        }
    }

    /// The metrics of each operation, in written order.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks(self.n_metrics)
    }

    /// Metrics an operation has.
    #[must_use]
    pub fn n_metrics(&self) -> usize {
        self.n_metrics
    }

    /// Operations there are values for.
    #[must_use]
    pub fn n_operations(&self) -> usize {
        self.values.len() / self.n_metrics
    }

    /// The metrics of operation `index` in written order.
    ///
    /// # Panics
    /// When there is no such operation.
    #[must_use]
    pub fn operation(&self, index: usize) -> &[f64] {
        &self.values[index * self.n_metrics..][..self.n_metrics]
    }

    /// The same of these metrics alone, by position, in this order; `None` where none are named, or it has not all.
    #[must_use]
    pub fn of_metrics(&self, metrics: &[usize]) -> Option<Self> {
        let picked = self.rows().flat_map(|row| metrics.iter().map(|metric| row.get(*metric).copied()));
        Self::new(metrics.len(), picked.collect::<Option<_>>()?).ok()
    }
}
