//! Tables to import, and what is stored compared with them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use tagates::pb;
use tagates::pb::architecture::Notation;
use tagates::pb::observation::Outcome as Measured;
use tonic::transport::Channel;

use crate::service::{Listing, cells, value};

/// The columns that are imported, and their budgets.
pub const COLUMNS: [(&str, u32); 2] = [("c10_test_12", 12), ("c10_test_200", 200)];

/// What a table says: a value by architecture and budget.
pub fn read(path: &Path) -> anyhow::Result<BTreeMap<(String, u32), f64>> {
    let mut table =
        csv::Reader::from_path(path).with_context(|| format!("could not read {}", path.display()))?;
    let header = table.headers()?.clone();
    let column = |name: &str| {
        header.iter().position(|column| column == name).with_context(|| format!("the table has no {name}"))
    };
    let arch = column("arch")?;
    let mut values = BTreeMap::new();
    for row in table.records() {
        let row = row?;
        for (name, budget) in COLUMNS {
            let value = row[column(name)?].parse().with_context(|| format!("{name} of {}", &row[arch]))?;
            values.insert((row[arch].to_owned(), budget), value);
        }
    }
    Ok(values)
}

/// The synthetic row at `index`: every cell under a seed, then every cell under the next.
pub fn synthetic_row(cells: &[String], index: usize) -> (&str, i64, f64) {
    (&cells[index % cells.len()], i64::try_from(index / cells.len()).expect("few seeds"), value(index))
}

/// Writes `n_rows` synthetic rows, holding none of them.
pub fn write_synthetic(path: &Path, n_rows: usize) -> anyhow::Result<()> {
    let (cells, mut file) = (cells(), BufWriter::new(File::create(path)?));
    writeln!(file, "architecture,budget,value,seed")?;
    for index in 0..n_rows {
        let (cell, seed, value) = synthetic_row(&cells, index);
        writeln!(file, "{cell},200,{value},{seed}")?;
    }
    Ok(file.flush()?)
}

/// How often synthetic rows are not stored as they are in the table: lost, changed or in another place.
/// Their order is that of the table, since one client sent them.
pub async fn n_synthetic_differences(channel: &Channel, n_rows: usize) -> anyhow::Result<Differences> {
    let (cells, mut listing) = (cells(), Listing::new(channel));
    let mut differences = Differences::default();
    let mut seen = vec![false; n_rows];
    while let Some(page) = listing.page().await? {
        for stored in page {
            differences.stored += 1;
            let observation = stored.observation.context("an observation")?;
            let (cell, value) = (text_of(&observation)?, value_of(&observation)?);
            let index = usize::try_from(stored.sequence - 1)?;
            let as_sent = (index < n_rows).then(|| synthetic_row(&cells, index));
            let is_as_sent = as_sent == Some((cell, observation.seed, value));
            differences.changed += usize::from(!is_as_sent);
            if let Some(seen) = seen.get_mut(index) {
                differences.doubled += usize::from(*seen);
                *seen = true;
            }
        }
    }
    differences.lost = seen.iter().filter(|is_seen| !**is_seen).count();
    differences.doubled += differences.stored.saturating_sub(n_rows);
    Ok(differences)
}

/// Of what is stored from what was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Differences {
    pub stored: usize,
    pub lost: usize,
    pub doubled: usize,
    pub changed: usize,
}

/// Compares what `tagates export` printed with the table.
pub fn compare_export(
    exported: &str,
    expected: &BTreeMap<(String, u32), f64>,
) -> anyhow::Result<Differences> {
    let mut differences = Differences::default();
    let mut left = expected.clone();
    for line in exported.lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        let architecture = record["architecture"].as_str().context("an architecture")?.to_owned();
        let budget = u32::try_from(record["budget"].as_u64().context("a budget")?)?;
        let value = record["value"].as_f64().context("a value")?;
        differences.stored += 1;
        match left.remove(&(architecture, budget)) {
            Some(sent) => differences.changed += usize::from(sent.to_bits() != value.to_bits()),
            None => differences.doubled += 1,
        }
    }
    differences.lost = left.len();
    Ok(differences)
}

fn text_of(observation: &pb::Observation) -> anyhow::Result<&str> {
    match observation.architecture.as_ref().and_then(|architecture| architecture.notation.as_ref()) {
        Some(Notation::Text(text)) => Ok(text),
        _ => anyhow::bail!("an architecture that is no text"),
    }
}

fn value_of(observation: &pb::Observation) -> anyhow::Result<f64> {
    let Some(Measured::Value(value)) = observation.outcome else { anyhow::bail!("no value") };
    ensure!(observation.budget == Some(200), "another budget");
    Ok(value)
}
