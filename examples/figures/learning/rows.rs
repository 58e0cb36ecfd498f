//! Rows of a table of NAS-Bench-201: a cell and what it reached after 200 epochs.

use std::path::Path;

use anyhow::{Context, ensure};

/// The column that is learnt.
pub const COLUMN: &str = "c10_test_200";

#[derive(Clone, Debug)]
pub struct Row {
    pub cell: String,
    pub value: f64,
}

/// The rows of one `split` in their order.
pub fn read(table: &Path, split: &str) -> anyhow::Result<Vec<Row>> {
    let mut file =
        csv::Reader::from_path(table).with_context(|| format!("could not read {}", table.display()))?;
    let header = file.headers()?.clone();
    let column = |name: &str| {
        header.iter().position(|column| column == name).with_context(|| format!("the table has no {name}"))
    };
    let (cell, value, part) = (column("arch")?, column(COLUMN)?, column("split")?);
    let mut rows = Vec::new();
    for row in file.records() {
        let row = row?;
        if &row[part] == split {
            let value = row[value].parse().with_context(|| format!("{COLUMN} of {}", &row[cell]))?;
            rows.push(Row { cell: row[cell].to_owned(), value });
        }
    }
    ensure!(!rows.is_empty(), "the table has no {split} rows");
    Ok(rows)
}

/// Writes rows as a table of the same columns, `arch` and the one that is learnt.
pub fn write(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    file.write_record(["arch", COLUMN])?;
    for Row { cell, value } in rows {
        file.write_record([cell, &value.to_string()])?;
    }
    Ok(file.flush()?)
}
