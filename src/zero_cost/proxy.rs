//! How large the networks are that saliencies are measured on, as a named data file.

use serde::{Deserialize, Serialize};

use crate::zero_cost::{Images, Metric};

/// A proxy setting: sizes of networks and of the mini-batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// What is measured, in the order in which it is written.
    pub metrics: Vec<Metric>,
    /// What the images of the mini-batch are.
    #[serde(default, skip_serializing_if = "Images::is_noise")]
    pub images: Images,
    /// Images in the mini-batch.
    pub n_images: usize,
    /// Their height and width.
    pub image_side: usize,
    /// Classes of the images.
    pub n_classes: usize,
    /// Networks of NAS-Bench-101.
    pub nasbench101: Size,
    /// Networks of NAS-Bench-201.
    pub nasbench201: Size,
    /// Networks of DARTS.
    pub darts: Size,
    /// Networks of ENAS, which are stacked as those of DARTS.
    pub enas: Size,
}

/// How large a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Channels of the first cells.
    pub channels: usize,
    /// Cells in each of the three stages, cells that reduce not counted.
    pub cells_per_stage: usize,
}

/// Why a text is no proxy setting.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Neither a name nor a file.
    #[error("{name:?} is neither a built-in proxy ({}) nor a file that can be read", Proxy::names().collect::<Vec<_>>().join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// No TOML, or with other fields.
    #[error("proxy setting cannot be read")]
    Toml(#[from] toml::de::Error),
    /// A value that no network can be built with.
    #[error("{field} {problem}")]
    Field {
        /// Its name.
        field: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// The proxies this binary carries.
const NAMED: [(&str, &str); 2] = [
    ("full", include_str!("../../configs/zero-cost/full.toml")),
    ("small", include_str!("../../configs/zero-cost/small.toml")),
];

impl Proxy {
    /// The names of the proxies this binary carries.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    /// The proxy this binary carries under `name`.
    ///
    /// # Panics
    /// Never: a test reads all of them.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = NAMED.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(text).expect("proxies of the binary are valid"))
    }

    /// The proxy this binary carries under `name`, or else the one in the file of that name.
    ///
    /// # Errors
    /// When there is neither, or the file is no proxy setting.
    pub fn read(name: &str) -> Result<Self, ProxyError> {
        if let Some(proxy) = Self::named(name) {
            return Ok(proxy);
        }
        let text = std::fs::read_to_string(name)
            .map_err(|source| ProxyError::Unknown { name: name.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Names everything that the setting says but what the images are.
    pub(in crate::zero_cost) fn fingerprint(&self) -> String {
        let setting = Self { images: Images::Noise, ..self.clone() };
        serde_json::to_string(&setting).expect("a setting is JSON")
    }

    /// A proxy setting from TOML.
    ///
    /// # Errors
    /// When a field is unknown, missing or out of its range.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let proxy: Self = toml::from_str(text)?;
        let field = |holds: bool, field: &str, problem: &'static str| {
            if holds { Ok(()) } else { Err(ProxyError::Field { field: field.to_owned(), problem }) }
        };
        let is_new = |(index, metric): (usize, &Metric)| !proxy.metrics[..index].contains(metric);
        let are_different = !proxy.metrics.is_empty() && proxy.metrics.iter().enumerate().all(is_new);
        field(are_different, "metrics", "are none, or one of them twice")?;
        field((1..=4_096).contains(&proxy.n_images), "n_images", "is not between 1 and 4096")?;
        let is_side = (4..=256).contains(&proxy.image_side) && proxy.image_side.is_multiple_of(4);
        field(is_side, "image_side", "is no multiple of 4 between 4 and 256")?;
        field((2..=1_000).contains(&proxy.n_classes), "n_classes", "is not between 2 and 1000")?;
        let sizes = [
            ("nasbench101", proxy.nasbench101),
            ("nasbench201", proxy.nasbench201),
            ("darts", proxy.darts),
            ("enas", proxy.enas),
        ];
        for (name, size) in sizes {
            // Modules share channels out to five nodes, and a reduction makes halves of them.
            let has_channels = (6..=1_024).contains(&size.channels) && size.channels.is_multiple_of(2);
            field(has_channels, &format!("{name}.channels"), "is no even number between 6 and 1024")?;
            let has_cells = (1..=100).contains(&size.cells_per_stage);
            field(has_cells, &format!("{name}.cells_per_stage"), "is not between 1 and 100")?;
        }
        Ok(proxy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_proxy_is_valid_and_measures_everything() {
        for (name, text) in NAMED {
            let proxy = Proxy::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(proxy.metrics, Metric::ALL, "{name}");
        }
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let (_, text) = NAMED[1];
        for (from, to, message) in [
            ("n_images = 16", "n_images = 0", "n_images is not between 1 and 4096"),
            ("image_side = 32", "image_side = 30", "image_side is no multiple of 4 between 4 and 256"),
            ("\"snip\"", "\"grad_norm\"", "metrics are none, or one of them twice"),
            (
                "darts = { channels = 16",
                "darts = { channels = 15",
                "darts.channels is no even number between 6 and 1024",
            ),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(Proxy::parse(&text.replace(from, to)).unwrap_err().to_string(), message);
        }
        assert!(Proxy::parse(&format!("speed = 9\n{text}")).is_err());
    }
}
