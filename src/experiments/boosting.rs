//! Gradient-boosted trees on the choices that make up an architecture, each value of a choice a column of 0 and 1.

use forust_ml::objective::ObjectiveType;
use forust_ml::{GradientBooster, Matrix};

use crate::model::one_hot;
use crate::space::Architecture;

/// Trees, their depth, and how much of each is taken.
const N_TREES: usize = 500;
const MAX_DEPTH: usize = 5;
const LEARNING_RATE: f32 = 0.05;

/// Why trees cannot be boosted.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BoostingError(String);

/// What trees that were boosted on `known` architectures and their labels say of the `asked` ones.
///
/// # Errors
/// When there is nothing to learn from.
pub fn predictions(
    known: &[&Architecture],
    labels: &[f64],
    asked: &[&Architecture],
    seed: u64,
) -> Result<Vec<f64>, BoostingError> {
    let (known, asked) = (Table::new(known), Table::new(asked));
    let mut booster = GradientBooster::default()
        .set_objective_type(ObjectiveType::SquaredLoss)
        .set_iterations(N_TREES)
        .set_max_depth(MAX_DEPTH)
        .set_learning_rate(LEARNING_RATE)
        .set_parallel(false)
        .set_seed(seed);
    booster
        .fit_unweighted(&known.matrix(), labels, None)
        .map_err(|error| BoostingError(error.to_string()))?;
    Ok(booster.predict(&asked.matrix(), false))
}

/// Architectures by column: all of the first, then all of the second.
struct Table {
    by_column: Vec<f64>,
    n_rows: usize,
    n_columns: usize,
}

impl Table {
    fn new(architectures: &[&Architecture]) -> Self {
        let rows: Vec<Vec<f64>> = architectures.iter().map(|it| one_hot(it)).collect();
        let n_columns = rows.first().map_or(0, Vec::len);
        let by_column = (0..n_columns).flat_map(|column| rows.iter().map(move |row| row[column])).collect();
        Self { by_column, n_rows: rows.len(), n_columns }
    }

    fn matrix(&self) -> Matrix<'_, f64> {
        Matrix::new(&self.by_column, self.n_rows, self.n_columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::kendall_tau;
    use crate::space::{Role, nasbench201};

    #[test]
    fn trees_learn_how_many_operations_have_weights() {
        let cells = nasbench201().sample(300, 3);
        let n_weighted = |cell: &Architecture| {
            let roles = cell.operations().map(|it| cell.space().operations[it.0].role);
            roles.filter(|role| *role == Role::Parametrised).count() as f64
        };
        let (known, asked): (Vec<&Architecture>, Vec<&Architecture>) =
            (cells[..200].iter().collect(), cells[200..].iter().collect());
        let labels: Vec<f64> = known.iter().map(|it| n_weighted(it)).collect();
        let predicted = predictions(&known, &labels, &asked, 0).expect("trees");
        let measured: Vec<f64> = asked.iter().map(|it| n_weighted(it)).collect();
        assert!(kendall_tau(&predicted, &measured).is_some_and(|tau| tau > 0.8), "{predicted:?}");
    }
}
