//! How long things took, and on how busy a machine.

use std::fs;
use std::time::Duration;

use anyhow::Context;

/// Some durations, at least one.
pub struct Latencies {
    ascending: Vec<Duration>,
}

impl Latencies {
    pub fn new(mut durations: Vec<Duration>) -> anyhow::Result<Self> {
        durations.sort_unstable();
        anyhow::ensure!(!durations.is_empty(), "nothing was measured");
        Ok(Self { ascending: durations })
    }

    pub fn n(&self) -> usize {
        self.ascending.len()
    }

    /// The one that this share of them, 0 to 1, does not exceed.
    pub fn quantile(&self, share: f64) -> Duration {
        let place = (share * self.ascending.len() as f64).ceil() as usize;
        self.ascending[place.clamp(1, self.ascending.len()) - 1]
    }

    pub fn max(&self) -> Duration {
        self.quantile(1.0)
    }
}

/// In milliseconds, for people.
pub fn millis(duration: Duration) -> String {
    format!("{:.1} ms", 1_000.0 * duration.as_secs_f64())
}

/// Processes that wanted to run over the last minute.
pub fn load_average() -> anyhow::Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').next().context("a load average")?.to_owned())
}
