//! What a model is asked.

use std::sync::Arc;

use crate::model::ModelConfig;
use crate::space::{Architecture, Saliencies, SearchSpace};

/// One architecture to be scored, with its saliencies where the model needs them.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What to score.
    pub architecture: &'a Architecture,
    /// The paper's Z. Ignored by models that use none.
    pub saliencies: Option<&'a Saliencies>,
}

impl<'a> From<&'a Architecture> for Input<'a> {
    fn from(architecture: &'a Architecture) -> Self {
        Self { architecture, saliencies: None }
    }
}

/// Why a model does not take an input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// Of another space than the model.
    #[error("architecture of space {found}, the model scores {expected} as it was defined for it")]
    OtherSpace {
        /// Its space.
        found: String,
        /// The model's space.
        expected: String,
    },
    /// Without the saliencies the model needs.
    #[error("the model needs zero-cost saliencies, {n_metrics} for each operation, and none were sent")]
    SalienciesMissing {
        /// Metrics for each operation.
        n_metrics: usize,
    },
    /// With saliencies of another shape than the model needs.
    #[error("saliencies of {found} (operations x metrics), the model needs {expected}")]
    SaliencyShape {
        /// What was given.
        found: String,
        /// What is needed.
        expected: String,
    },
}

impl Input<'_> {
    /// Checks that a model of configuration `cfg` for `space` can score the input.
    ///
    /// # Errors
    /// When it is of another space, or comes without the saliencies the model needs, or with
    /// saliencies of another shape.
    pub fn check(&self, space: &Arc<SearchSpace>, cfg: &ModelConfig) -> Result<(), InputError> {
        let found = self.architecture.space();
        if !Arc::ptr_eq(found, space) && found != space {
            return Err(InputError::OtherSpace { found: found.name.clone(), expected: space.name.clone() });
        }
        cfg.features.check_input(self)?;
        let Some(n_metrics) = cfg.n_metrics() else { return Ok(()) };
        let saliencies = self.saliencies.ok_or(InputError::SalienciesMissing { n_metrics })?;
        let n_operations = self.architecture.n_places();
        if (saliencies.n_operations(), saliencies.n_metrics()) == (n_operations, n_metrics) {
            Ok(())
        } else {
            Err(InputError::SaliencyShape {
                found: format!("{} x {}", saliencies.n_operations(), saliencies.n_metrics()),
                expected: format!("{n_operations} x {n_metrics}"),
            })
        }
    }
}
