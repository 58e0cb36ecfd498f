//! Search spaces as commands are given them: the name of a built-in one, or a file that defines one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::space::{self, Definition, SearchSpace};

/// A longer text defines no search space: names and sizes are bounded.
const MAX_BYTES: u64 = 64 << 10;

/// The built-in space of that name, or the one that the file of that name defines.
///
/// # Errors
/// When there is neither, or the file defines none.
pub(in crate::cli) fn builtin_or_file(space: &str) -> anyhow::Result<Arc<SearchSpace>> {
    if let Some(builtin) = space::builtin(space) {
        return Ok(builtin);
    }
    let path = Path::new(space);
    if format(path).is_none() && !path.exists() {
        let known: Vec<_> = space::builtins().map(|space| space.name.clone()).collect();
        let known = known.join(", ");
        bail!("search space {space:?} is neither built in ({known}) nor a .toml or .json file (--space)");
    }
    read(path).map(Arc::new)
}

/// The space that a file defines.
///
/// # Errors
/// When the file cannot be read, is too long, or defines no space; the error names the field.
pub(in crate::cli) fn read(path: &Path) -> anyhow::Result<SearchSpace> {
    let Some(format) = format(path) else { bail!("{} is neither .toml nor .json", path.display()) };
    let could_not = || format!("could not read {}", path.display());
    let mut text = String::new();
    let file = File::open(path).with_context(could_not)?;
    file.take(MAX_BYTES + 1).read_to_string(&mut text).with_context(could_not)?;
    if text.len() as u64 > MAX_BYTES {
        bail!("{} has more than the {MAX_BYTES} bytes that a definition may have", path.display());
    }
    let no_definition = || format!("{} defines no search space", path.display());
    let definition: Definition = match format {
        Format::Toml => toml::from_str(&text).with_context(no_definition)?,
        Format::Json => serde_json::from_str(&text).with_context(no_definition)?,
    };
    SearchSpace::custom(definition).with_context(no_definition)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Toml,
    Json,
}

fn format(path: &Path) -> Option<Format> {
    match path.extension().and_then(OsStr::to_str) {
        Some("toml") => Some(Format::Toml),
        Some("json") => Some(Format::Json),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_text(ending: &str, text: &str) -> anyhow::Result<SearchSpace> {
        let mut file = tempfile::Builder::new().suffix(ending).tempfile()?;
        file.write_all(text.as_bytes())?;
        read(file.path())
    }

    #[test]
    fn both_formats_define_the_same() {
        let definition = Definition { name: "mine".to_owned(), ..space::enas().definition() };
        let toml = read_text(".toml", &toml::to_string(&definition).expect("plain data")).expect("sound");
        let json = read_text(".json", &serde_json::to_string(&definition).expect("plain data"));
        assert_eq!(toml, json.expect("sound"));
        assert_eq!(toml.definition(), definition);
    }

    #[test]
    fn what_defines_no_space_says_why() {
        let reason =
            |ending, text: &str| format!("{:#}", read_text(ending, text).expect_err("no definition"));
        let definition =
            toml::to_string(&Definition { name: "a b".to_owned(), ..space::enas().definition() });
        assert!(reason(".toml", &definition.expect("plain data")).contains("name: ' ' is none of a-z"));
        assert!(reason(".toml", "name = 'mine'\nsize = 3").contains("unknown field `size`"));
        assert!(reason(".json", "{").contains("EOF"));
        assert!(reason(".txt", "").contains("neither .toml nor .json"));
        assert!(reason(".toml", &"#".repeat(70_000)).contains("more than the 65536 bytes"));
        let unknown = builtin_or_file("nasbench999").expect_err("no space").to_string();
        assert!(unknown.contains("darts, enas") && unknown.contains("(--space)"), "{unknown}");
    }
}
