//! The database of a server, where what was measured saves it from measuring.

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::space::{Architecture, Saliencies, SaliencyOrigin};
use crate::store::{self, Store};

/// What is looked up at once.
const PAGE_SIZE: usize = 500;

/// A store that is written as results come.
pub struct Cache {
    runtime: Runtime,
    store: Store,
    origin: SaliencyOrigin,
}

impl Cache {
    /// Opens the database and brings its schema up to date, as a server would.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(config: &store::Config, origin: &SaliencyOrigin) -> anyhow::Result<Self> {
        let runtime = Runtime::new().context("could not start the runtime")?;
        let store = runtime.block_on(async {
            let store = Store::connect(config).await?;
            store.migrate(config.migrate).await?;
            anyhow::Ok(store)
        })?;
        Ok(Self { runtime, store, origin: origin.clone() })
    }

    /// Whether each of the architectures is there already.
    ///
    /// # Errors
    /// When the database fails.
    pub fn has(&self, architectures: &[Architecture]) -> anyhow::Result<Vec<bool>> {
        let mut has = Vec::with_capacity(architectures.len());
        for page in architectures.chunks(PAGE_SIZE) {
            let stored = self.runtime.block_on(self.store.saliencies_of(&self.origin, page))?;
            has.extend(stored.iter().map(Option::is_some));
        }
        Ok(has)
    }

    /// Adds what was measured of an architecture.
    ///
    /// # Errors
    /// When the database fails.
    pub fn insert(&self, architecture: &Architecture, saliencies: &Saliencies) -> Result<(), store::Error> {
        self.runtime.block_on(self.store.saliencies_insert(&self.origin, &[(architecture, saliencies)]))
    }
}
