//! Pictures of architectures, to look at.

use std::path::Path;

use anyhow::Context;
use tagates::space::builtins;

/// Writes an image of a random architecture of each built-in space into a folder.
pub fn draw(folder: &Path, seed: u64) -> anyhow::Result<bool> {
    for space in builtins() {
        let architecture = &space.sample(1, seed)[0];
        let path = folder.join(format!("{}.svg", space.name));
        std::fs::write(&path, architecture.svg())
            .with_context(|| format!("could not write {}", path.display()))?;
        println!("{}: {architecture}", path.display());
    }
    Ok(true)
}
