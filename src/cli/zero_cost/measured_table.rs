//! The file of what was measured: a JSON object a line, written one at a time, so that it can be gone on with.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::space::Architecture;
use crate::zero_cost::{Measured, Metric, Proxy};

/// The file, and which architectures are in it.
pub struct MeasuredTable {
    file: File,
    proxy: String,
    seed: u64,
    architectures: HashSet<String>,
}

/// How an architecture was measured.
#[derive(Deserialize)]
struct Origin {
    arch: String,
    proxy: String,
    seed: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    arch: &'a str,
    proxy: &'a str,
    seed: u64,
    metrics: &'a [Metric],
    saliencies: Vec<&'a [f64]>,
    network: &'a [f64],
    n_parameters: usize,
    seconds: f64,
    #[serde(flatten)]
    kept: &'a Map<String, Value>,
}

/// Columns that a kept one may not be called.
pub const RESERVED: [&str; 8] =
    ["arch", "proxy", "seed", "metrics", "saliencies", "network", "n_parameters", "seconds"];

impl MeasuredTable {
    /// Opens the file, or makes it. A last line that was not finished is taken off.
    ///
    /// # Errors
    /// When it cannot be read and written, or was measured with another proxy or seed.
    pub fn open(path: &Path, proxy: &str, seed: u64) -> anyhow::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let finished = text.rfind('\n').map_or(0, |end| end + 1);
        let mut architectures = HashSet::new();
        for (index, line) in text[..finished].lines().enumerate() {
            let origin: Origin = serde_json::from_str(line).with_context(|| format!("line {}", index + 1))?;
            if origin.proxy != proxy || origin.seed != seed {
                let Origin { proxy, seed, .. } = origin;
                bail!("line {} was measured with proxy {proxy} and seed {seed}", index + 1);
            }
            architectures.insert(origin.arch);
        }
        file.set_len(finished as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, proxy: proxy.to_owned(), seed, architectures })
    }

    /// The architectures in it, as written.
    pub fn architectures(&self) -> &HashSet<String> {
        &self.architectures
    }

    /// Adds what was measured of an architecture.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(
        &mut self,
        architecture: &Architecture,
        kept: &Map<String, Value>,
        proxy: &Proxy,
        measured: &Measured,
        duration: Duration,
    ) -> io::Result<()> {
        let operations = &measured.operations;
        let line = Line {
            arch: architecture.text(),
            proxy: &self.proxy,
            seed: self.seed,
            metrics: &proxy.metrics,
            saliencies: (0..operations.n_operations()).map(|index| operations.operation(index)).collect(),
            network: &measured.network,
            n_parameters: measured.n_parameters,
            seconds: duration.as_secs_f64(),
            kept,
        };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.architectures.insert(line.arch.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::table::rows;
    use crate::space::nasbench201;
    use crate::zero_cost::{Size, measure};

    #[test]
    fn a_table_that_was_interrupted_goes_on_and_can_be_trained_on() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path().join("measured.jsonl");
        let small = Proxy::named("small").expect("built in");
        let nasbench201_size = Size { channels: 6, cells_per_stage: 1 };
        let proxy = Proxy { n_images: 2, image_side: 4, nasbench201: nasbench201_size, ..small };
        let cell = &nasbench201().sample(1, 2)[0];
        let measured = measure(cell, &proxy, 3).expect("a known network");
        let kept = Map::from_iter([("acc_200".to_owned(), Value::from(94.3))]);
        let open = |proxy, seed| MeasuredTable::open(&path, proxy, seed);
        let mut table = open("tiny", 3).expect("a new file");
        table.append(cell, &kept, &proxy, &measured, Duration::from_millis(5)).expect("room on the disk");
        table.file.write_all(b"{\"arch\":\"|nor_conv").expect("room on the disk");
        let table = open("tiny", 3).expect("the same again");
        assert_eq!(table.architectures().iter().collect::<Vec<_>>(), [cell.text()]);

        let rows = rows(&path).expect("a table").collect::<Result<Vec<_>, _>>().expect("whole lines");
        let [row] = rows.as_slice() else { panic!("one line, not {}", rows.len()) };
        let saliencies = row.rows_of_numbers("saliencies").expect("rows").expect("not empty");
        assert_eq!((saliencies.len(), saliencies[0].len()), (6, 7));
        assert_eq!(saliencies[5], measured.operations.operation(5));
        assert_eq!(row.number("acc_200").expect("kept"), Some(94.3));

        let refusal = |proxy, seed| open(proxy, seed).err().expect("measured otherwise").to_string();
        assert_eq!(refusal("full", 3), "line 1 was measured with proxy tiny and seed 3");
        assert_eq!(refusal("tiny", 4), "line 1 was measured with proxy tiny and seed 3");
    }
}
