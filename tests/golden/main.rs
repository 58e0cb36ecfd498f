//! The model against the published implementation, tensor by tensor: `tests/golden/vectors` holds
//! inputs and outputs of it at small dimensions, computed in float64.

mod baselines;
mod encoder;
mod losses;
mod published;
mod vectors;
