//! Parameters and FLOPs as the tables have them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;
use tagates::space::Cost;

use crate::tables::{architecture, darts_in, rows};

/// Whether every row of every table has the cost that the space counts.
pub fn check(tables: &[PathBuf]) -> anyhow::Result<bool> {
    let mut holds = true;
    for path in tables {
        holds &= check_table(path)?;
    }
    Ok(holds)
}

fn check_table(path: &Path) -> anyhow::Result<bool> {
    let rows = rows(path)?;
    let (mut n_parameters, mut n_flops, mut n_with_flops) = (0, 0, 0);
    for row in &rows {
        let counted = counted(row)?;
        let parameters = parameters(row).with_context(|| format!("no parameters in {row}"))?;
        if counted.parameters == parameters {
            n_parameters += 1;
        } else {
            eprintln!("{} parameters counted, {parameters} in the table: {row}", counted.parameters);
        }
        if let Some(flops) = row["flops"].as_u64() {
            n_with_flops += 1;
            if counted.flops == flops {
                n_flops += 1;
            } else {
                eprintln!("{} FLOPs counted, {flops} in the table: {row}", counted.flops);
            }
        }
    }
    let n_rows = rows.len();
    print!("{}: {n_parameters} of {n_rows} rows have the parameters counted", path.display());
    if n_with_flops > 0 {
        print!(", {n_flops} of {n_with_flops} the FLOPs");
    }
    println!();
    Ok(n_rows > 0 && n_parameters == n_rows && n_flops == n_with_flops)
}

/// Parameters in millions are those of DARTS at full size.
fn counted(row: &Value) -> anyhow::Result<Cost> {
    let mut architecture = architecture(row)?;
    if row["params_m"].is_number() {
        architecture = darts_in("darts")?.parse(architecture.text())?;
    }
    architecture.cost().context("the space names no skeleton")
}

fn parameters(row: &Value) -> Option<u64> {
    row["params"].as_u64().or_else(|| Some((row["params_m"].as_f64()? * 1e6).round() as u64))
}
