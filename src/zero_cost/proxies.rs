//! The proxy settings a process knows by name.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::zero_cost::{Error, Measurer, Proxy};

/// Proxies with a seed that stay ready at most.
const MAX_READY: usize = 16;

/// The settings of this room.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Saliencies")]
pub struct Config {
    /// Lets tasks have their saliencies measured as this TOML file says, under this name, beside the built-in `small`
    /// and `full`. May be given several times.
    #[arg(long, value_name = "NAME=FILE", value_parser = named)]
    pub saliency_proxy: Vec<NamedProxy>,
}

/// A proxy setting and what tasks call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedProxy {
    /// Its name: no built-in one's.
    pub name: String,
    /// The setting.
    pub proxy: Proxy,
}

fn named(text: &str) -> Result<NamedProxy, String> {
    let (name, file) = text.split_once('=').ok_or("is not NAME=FILE")?;
    if name.is_empty() || Proxy::named(name).is_some() {
        return Err(format!("{name:?} is no name of your own: it is empty or that of a built-in proxy"));
    }
    let proxy = Proxy::read(file).map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    // What no batch can be made of is found here, not by the first task that chooses it.
    Measurer::new(name, proxy.clone(), 0).map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    Ok(NamedProxy { name: name.to_owned(), proxy })
}

/// The proxy settings of a process, by name, and those that are ready to measure with.
#[derive(Debug)]
pub struct Proxies {
    by_name: BTreeMap<String, Proxy>,
    ready: Mutex<HashMap<(String, u64), Arc<Measurer>>>,
}

impl Default for Proxies {
    /// Those this binary carries.
    fn default() -> Self {
        Self::new(&Config::default())
    }
}

impl Proxies {
    /// Those this binary carries, and those of the configuration; of two with one name the last.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let builtin = Proxy::names().filter_map(|name| Some((name.to_owned(), Proxy::named(name)?)));
        let given = config.saliency_proxy.iter().map(|it| (it.name.clone(), it.proxy.clone()));
        Self { by_name: builtin.chain(given).collect(), ready: Mutex::default() }
    }

    /// The proxy of that name, ready to measure with. May read images: not for an async thread, unless it is ready
    /// already.
    ///
    /// # Errors
    /// When there is no such proxy, or its mini-batch cannot be made.
    pub fn measurer(&self, name: &str, seed: u64) -> Result<Arc<Measurer>, Error> {
        if let Some(ready) = self.ready(name, seed) {
            return Ok(ready);
        }
        let Some(proxy) = self.by_name.get(name) else {
            let known = self.by_name.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(Error::UnknownProxy { name: name.to_owned(), known });
        };
        let measurer = Arc::new(Measurer::new(name, proxy.clone(), seed)?);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() >= MAX_READY {
            ready.clear();
        }
        ready.insert((name.to_owned(), seed), measurer.clone());
        Ok(measurer)
    }

    /// The same, if it was asked for lately.
    #[must_use]
    pub fn ready(&self, name: &str, seed: u64) -> Option<Arc<Measurer>> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        ready.get(&(name.to_owned(), seed)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_made_ready_once_and_found_by_its_name() {
        let proxy = Proxy { n_images: 2, ..Proxy::named("small").expect("built in") };
        let config = Config { saliency_proxy: vec![NamedProxy { name: "mine".to_owned(), proxy }] };
        let proxies = Proxies::new(&config);
        assert!(proxies.ready("mine", 3).is_none());
        let first = proxies.measurer("mine", 3).expect("known");
        assert_eq!((first.proxy().n_images, first.origin().seed), (2, 3));
        assert!(Arc::ptr_eq(&first, &proxies.measurer("mine", 3).expect("known")));
        proxies.measurer("small", 0).expect("built in");
        let unknown = proxies.measurer("yours", 0).expect_err("not known").to_string();
        assert_eq!(unknown, "there is no proxy \"yours\", only full, mine, small");
    }

    #[test]
    fn a_flag_that_names_no_proxy_says_why() {
        assert!(named("mine").is_err());
        assert!(named("small=mine.toml").expect_err("built in").contains("built-in"));
        assert!(named("mine=missing.toml").expect_err("no file").contains("missing.toml"));
    }
}
