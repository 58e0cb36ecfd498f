//! Two versions of the built-in task, to promote by turns: the shipped one, and one of the same shape that is
//! trained in seconds on labels that mean nothing.

use std::path::Path;

use anyhow::Context;
use tagates::fit::FitConfig;

use crate::processes::{Server, Tagates};
use crate::service::{TASK, cells, value};

/// Of the built-in task and of the training.
const CONFIG: &str = "nasbench201";
const N_EPOCHS: usize = 2;
const N_ROWS: usize = 200;

/// By their names.
pub struct TwoVersions {
    /// The champion of a new database.
    pub shipped: String,
    pub trained: String,
}

impl TwoVersions {
    /// Trains the second one and sends it to a server with a new database.
    pub fn bring(tagates: &Tagates, server: &Server) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (table, config, checkpoint) = (path("rows.csv"), path("quick.toml"), path("quick.safetensors"));
        write_synthetic(Path::new(&table))?;
        let named = FitConfig::named(CONFIG).with_context(|| format!("no configuration {CONFIG}"))?;
        std::fs::write(&config, toml::to_string(&FitConfig { n_epochs: N_EPOCHS, ..named })?)?;
        let train = ["train", "--task", TASK, "--data", &table, "--budgets", "acc_12,acc_200"];
        let files = ["--config", &config, "--out", &checkpoint];
        tagates.output(&[&train[..], &files].concat())?;

        let models = |arguments: &[&str]| -> anyhow::Result<String> {
            let server = ["--server", &server.url(), "--task", TASK].map(str::to_owned);
            let words = ["models"].iter().chain(arguments).map(|word| (*word).to_owned());
            let said = tagates.output(&words.chain(server).collect::<Vec<_>>())?;
            let version: serde_json::Value = serde_json::from_str(&said)?;
            Ok(version["version"].as_str().context("a version without a name")?.to_owned())
        };
        Ok(Self { shipped: models(&["get"])?, trained: models(&["import", &checkpoint])? })
    }

    /// The champion that the swap of this number, from 0, finds, and the one it makes.
    pub fn turn(&self, number: usize) -> (&str, &str) {
        if number.is_multiple_of(2) { (&self.shipped, &self.trained) } else { (&self.trained, &self.shipped) }
    }
}

fn write_synthetic(path: &Path) -> anyhow::Result<()> {
    let (cells, mut file) = (cells(), csv::Writer::from_path(path)?);
    file.write_record(["arch", "acc_12", "acc_200"])?;
    for (index, cell) in cells.iter().step_by(cells.len() / N_ROWS).take(N_ROWS).enumerate() {
        let value = value(index).to_string();
        file.write_record([cell, &value, &value])?;
    }
    Ok(file.flush()?)
}
