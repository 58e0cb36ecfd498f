//! Tables in JSON, a row a line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;
use tagates::space::{Architecture, SearchSpace, darts, nasbench101};

/// The rows of a table.
pub fn rows(path: &Path) -> anyhow::Result<Vec<Value>> {
    let file = File::open(path).with_context(|| format!("could not open {}", path.display()))?;
    let read = |(index, line): (usize, std::io::Result<String>)| {
        serde_json::from_str(&line?).with_context(|| format!("line {} of {}", index + 1, path.display()))
    };
    BufReader::new(file).lines().enumerate().map(read).collect()
}

/// The architecture of a row: a module of NAS-Bench-101 in its fields, or the `genotype` of DARTS.
pub fn architecture(row: &Value) -> anyhow::Result<Architecture> {
    if let Some(genotype) = row["genotype"].as_str() {
        return darts().parse(genotype).with_context(|| format!("the genotype {genotype}"));
    }
    let fields = nasbench101().text_fields().iter().map(|name| ((*name).to_owned(), row[*name].clone()));
    let text = Value::Object(fields.collect()).to_string();
    nasbench101().parse(&text).with_context(|| format!("the module {text}"))
}

/// DARTS with another network around its cells.
pub fn darts_in(skeleton: &str) -> anyhow::Result<Arc<SearchSpace>> {
    let mut definition = serde_json::to_value(&*darts())?;
    definition["skeleton"] = skeleton.into();
    Ok(Arc::new(serde_json::from_value(definition)?))
}
