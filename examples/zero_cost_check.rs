//! Rank correlation of whole-network zero-cost metrics with published ones: see `scripts/zero-cost-check`.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;
use tagates::fit::table;
use tagates::metrics::spearman;

/// What the correlations must reach at full size.
const WANTED: [(&str, f64); 3] = [("synflow", 0.98), ("snip", 0.93), ("grad_norm", 0.93)];

/// A line that `tagates zero-cost` wrote.
#[derive(Deserialize)]
struct Line {
    arch: String,
    metrics: Vec<String>,
    network: Vec<f64>,
    seconds: f64,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let (measured, published) =
        args.next().zip(args.next()).context("arguments: MEASURED PUBLISHED PROXY")?;
    let is_full = args.next().as_deref() == Some("full");
    let lines = std::fs::read_to_string(&measured).with_context(|| format!("could not read {measured}"))?;
    let lines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Line>, _>>()?;
    let metrics = &lines.first().context("no line was measured")?.metrics;
    let mut holds = !is_full || WANTED.iter().all(|(name, _)| metrics.iter().any(|metric| metric == name));
    for (index, metric) in metrics.iter().enumerate() {
        let published = column(Path::new(&published), metric)?;
        let pairs = lines.iter().filter_map(|line| Some((line.network[index], *published.get(&line.arch)?)));
        let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let Some(correlation) = spearman(&ours, &theirs) else {
            println!("{metric}: nothing published, or no two values");
            holds &= !(is_full && WANTED.iter().any(|(name, _)| name == metric));
            continue;
        };
        let wanted = WANTED.iter().find(|(name, _)| name == metric).filter(|_| is_full);
        let is_short = wanted.is_some_and(|(_, wanted)| correlation < *wanted);
        holds &= !is_short;
        let verdict = if is_short { ", too little" } else { "" };
        println!("{metric}: {correlation:.4} on {} cells{verdict}", ours.len());
    }
    let seconds = lines.iter().map(|line| line.seconds).sum::<f64>() / lines.len() as f64;
    println!("{seconds:.3} seconds a cell");
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The published values of a metric by cell; none where there is no such column.
fn column(path: &Path, metric: &str) -> anyhow::Result<HashMap<String, f64>> {
    let mut values = HashMap::new();
    for row in table::rows(path)? {
        let row = row?;
        if row.has(metric)
            && let Some(value) = row.number(metric)?
        {
            values.insert(row.text("arch")?, value);
        }
    }
    Ok(values)
}
