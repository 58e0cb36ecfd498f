//! The file of what was measured: a JSON object a line, written one at a time, so that it can be gone on with.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::space::{Architecture, SaliencyOrigin};
use crate::zero_cost::{Measured, Measurer, Metric};

/// The file, and what is in it.
pub struct MeasuredTable {
    file: File,
    origin: SaliencyOrigin,
    /// By architecture as written, the columns that were kept.
    kept: HashMap<String, Map<String, Value>>,
}

/// How an architecture was measured.
#[derive(Deserialize)]
struct Measurement {
    arch: String,
    proxy: String,
    /// Earlier binaries wrote none.
    proxy_digest: Option<String>,
    seed: u64,
    #[serde(flatten)]
    columns: Map<String, Value>,
}

#[derive(Serialize)]
struct Line<'a> {
    arch: &'a str,
    proxy: &'a str,
    proxy_digest: &'a str,
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
pub const RESERVED: [&str; 9] =
    ["arch", "proxy", "proxy_digest", "seed", "metrics", "saliencies", "network", "n_parameters", "seconds"];

impl MeasuredTable {
    /// Opens the file, or makes it. A last line that was not finished is taken off.
    ///
    /// # Errors
    /// When it cannot be read and written, or was measured with another proxy, the same with other settings, or
    /// another seed.
    pub fn open(path: &Path, origin: &SaliencyOrigin) -> anyhow::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let finished = text.rfind('\n').map_or(0, |end| end + 1);
        let mut kept = HashMap::new();
        for (index, line) in text[..finished].lines().enumerate() {
            let line_number = index + 1;
            let Measurement { arch, proxy, proxy_digest, seed, mut columns } =
                serde_json::from_str(line).with_context(|| format!("line {line_number}"))?;
            let is_named_alike = proxy == origin.proxy && seed == origin.seed;
            match proxy_digest {
                Some(digest) if digest == origin.digest && seed == origin.seed => {}
                None if is_named_alike => {}
                Some(_) if is_named_alike => {
                    bail!("line {line_number} was measured with other settings of proxy {proxy}")
                }
                _ => bail!("line {line_number} was measured with proxy {proxy} and seed {seed}"),
            }
            columns.retain(|column, _| !RESERVED.contains(&column.as_str()));
            kept.insert(arch, columns);
        }
        file.set_len(finished as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, origin: origin.clone(), kept })
    }

    /// The columns kept of an architecture, as written; none where it is not in the file.
    pub fn kept(&self, architecture: &Architecture) -> Option<&Map<String, Value>> {
        self.kept.get(architecture.text())
    }

    /// Adds what was measured of an architecture.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(
        &mut self,
        architecture: &Architecture,
        kept: &Map<String, Value>,
        measurer: &Measurer,
        found: &Measured,
        duration: Duration,
    ) -> io::Result<()> {
        let operations = &found.operations;
        let line = Line {
            arch: architecture.text(),
            proxy: &self.origin.proxy,
            proxy_digest: &self.origin.digest,
            seed: self.origin.seed,
            metrics: &measurer.proxy().metrics,
            saliencies: operations.rows().collect(),
            network: &found.network,
            n_parameters: found.n_parameters,
            seconds: duration.as_secs_f64(),
            kept,
        };
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes())?;
        self.kept.insert(line.arch.to_owned(), kept.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::table::rows;
    use crate::space::nasbench201;
    use crate::zero_cost::{Proxy, Size};

    #[test]
    fn a_table_that_was_interrupted_goes_on_and_can_be_trained_on() {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let path = directory.path().join("measured.jsonl");
        let small = Proxy::named("small").expect("built in");
        let nasbench201_size = Size { channels: 6, cells_per_stage: 1 };
        let proxy = Proxy { n_images: 2, image_side: 4, nasbench201: nasbench201_size, ..small };
        let cell = &nasbench201().sample(1, 2)[0];
        let measurer = |name, n_images, seed| {
            Measurer::new(name, Proxy { n_images, ..proxy.clone() }, seed).expect("noise")
        };
        let tiny = measurer("tiny", 2, 3);
        let found = tiny.measure(cell).expect("a known network");
        let kept = Map::from_iter([("acc_200".to_owned(), Value::from(94.3))]);
        let open = |measurer: &Measurer| MeasuredTable::open(&path, measurer.origin());
        let mut table = open(&tiny).expect("a new file");
        table.append(cell, &kept, &tiny, &found, Duration::from_millis(5)).expect("room on the disk");
        table.file.write_all(b"{\"arch\":\"|nor_conv").expect("room on the disk");
        let table = open(&tiny).expect("the same again");
        assert_eq!(table.kept(cell), Some(&kept));
        assert_eq!(table.kept(&nasbench201().sample(1, 3)[0]), None);

        let rows = rows(&path).expect("a table").collect::<Result<Vec<_>, _>>().expect("whole lines");
        let [row] = rows.as_slice() else { panic!("one line, not {}", rows.len()) };
        let saliencies = row.rows_of_numbers("saliencies").expect("rows").expect("not empty");
        assert_eq!((saliencies.len(), saliencies[0].len()), (6, 7));
        assert_eq!(saliencies[5], found.operations.operation(5));
        assert_eq!(row.number("acc_200").expect("kept"), Some(94.3));

        assert!(open(&measurer("the same by another name", 2, 3)).is_ok());
        let refusal = |measurer| open(&measurer).err().expect("measured otherwise").to_string();
        assert_eq!(refusal(measurer("full", 3, 3)), "line 1 was measured with proxy tiny and seed 3");
        assert_eq!(refusal(measurer("tiny", 2, 4)), "line 1 was measured with proxy tiny and seed 3");
        assert_eq!(refusal(measurer("tiny", 3, 3)), "line 1 was measured with other settings of proxy tiny");

        let text = std::fs::read_to_string(&path).expect("a file");
        let without = text.replace(&format!("\"proxy_digest\":\"{}\",", tiny.origin().digest), "");
        assert!(without.len() < text.len());
        std::fs::write(&path, without).expect("a writable folder");
        assert!(open(&tiny).is_ok(), "as files were written before");
    }
}
