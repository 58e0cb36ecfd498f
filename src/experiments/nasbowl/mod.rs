//! NASBOWL (Ru, Wan, Dong and Osborne, 2021): a Gaussian process over graphs. How many rounds of the kernel count and how
//! noisy labels are is what makes the labels most likely.

mod kernel;

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use crate::experiments::nasbowl::kernel::{Counts, Rounds};
use crate::space::Architecture;

/// Rounds of relabelling that are tried, up to this.
const MAX_ROUNDS: usize = 3;
/// Variances of the noise that are tried, as parts of that of the labels.
const NOISE_VARIANCES: [f64; 6] = [1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1];

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub enum GraphKernelError {
    /// Fewer than two labels.
    #[error("{0} labels are too few")]
    TooFew(usize),
    /// A matrix of kernels that cannot be inverted.
    #[error("the kernels of the training set are no covariance")]
    NoCovariance,
}

/// What the process says of the `asked` architectures, conditioned on the `known` ones: its means, in the unit of the
/// labels.
///
/// # Errors
/// When there are too few labels, or numbers that are no numbers.
pub fn predictions(
    known: &[&Architecture],
    labels: &[f64],
    asked: &[&Architecture],
) -> Result<Vec<f64>, GraphKernelError> {
    if labels.len() < 2 {
        return Err(GraphKernelError::TooFew(labels.len()));
    }
    let mean = labels.iter().sum::<f64>() / labels.len() as f64;
    let variance = labels.iter().map(|label| (label - mean).powi(2)).sum::<f64>() / labels.len() as f64;
    let deviation = variance.sqrt().max(f64::MIN_POSITIVE);
    let standardised = DVector::from_iterator(labels.len(), labels.iter().map(|it| (it - mean) / deviation));

    let mut rounds = Rounds::new(known, asked);
    let mut counted = Vec::with_capacity(MAX_ROUNDS + 1);
    // With the rounds it counted.
    let mut best: Option<(Process, usize)> = None;
    for n_rounds in 0..=MAX_ROUNDS {
        if n_rounds > 0 {
            rounds.relabel();
        }
        counted.push(rounds.counts());
        let (known, _) = &counted[n_rounds];
        let kernels = DMatrix::from_fn(known.len(), known.len(), |i, j| known[i].similarity(&known[j]));
        for noise in NOISE_VARIANCES {
            let Some(process) = Process::new(&kernels, noise, &standardised) else { continue };
            if best.as_ref().is_none_or(|(best, _)| process.log_likelihood > best.log_likelihood) {
                best = Some((process, n_rounds));
            }
        }
    }
    let (Process { weights, .. }, n_rounds) = best.ok_or(GraphKernelError::NoCovariance)?;
    let (known, asked) = &counted[n_rounds];
    let of_one = |asked: &Counts| {
        let sum: f64 =
            known.iter().zip(&weights).map(|(known, weight)| known.similarity(asked) * weight).sum();
        mean + deviation * sum
    };
    Ok(asked.iter().map(of_one).collect())
}

/// A process conditioned on standardised labels.
struct Process {
    /// Of each label in a prediction: the inverse covariance times the labels.
    weights: DVector<f64>,
    /// Of the labels, up to a constant.
    log_likelihood: f64,
}

impl Process {
    fn new(kernels: &DMatrix<f64>, noise: f64, labels: &DVector<f64>) -> Option<Self> {
        let n = labels.len();
        let covariance = kernels + DMatrix::identity(n, n) * noise;
        let factor: Cholesky<f64, Dyn> = Cholesky::new(covariance)?;
        let weights = factor.solve(labels);
        let log_determinant: f64 = factor.l_dirty().diagonal().iter().map(|it| it.ln()).sum();
        let log_likelihood = -0.5 * labels.dot(&weights) - log_determinant;
        log_likelihood.is_finite().then_some(Self { weights, log_likelihood })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::kendall_tau;
    use crate::space::{Role, nasbench101, nasbench201};

    #[test]
    fn the_process_learns_how_many_operations_have_weights() {
        for space in [nasbench101(), nasbench201()] {
            let cells = space.sample(260, 3);
            let n_weighted = |cell: &Architecture| {
                let roles = cell.operations().map(|it| cell.space().operations[it.0].role);
                roles.filter(|role| *role == Role::Parametrised).count() as f64
            };
            let known: Vec<&Architecture> = cells[..200].iter().collect();
            let asked: Vec<&Architecture> = cells[200..].iter().collect();
            let labels: Vec<f64> = known.iter().map(|it| n_weighted(it)).collect();
            let predicted = predictions(&known, &labels, &asked).expect("a process");
            let measured: Vec<f64> = asked.iter().map(|it| n_weighted(it)).collect();
            assert!(
                kendall_tau(&predicted, &measured).is_some_and(|tau| tau > 0.8),
                "{}: {predicted:?}",
                space.name
            );
        }
    }

    #[test]
    fn a_single_label_makes_no_process() {
        let cells = nasbench201().sample(2, 0);
        let error = predictions(&[&cells[0]], &[1.0], &[&cells[1]]).unwrap_err();
        assert_eq!(error.to_string(), "1 labels are too few");
    }
}
