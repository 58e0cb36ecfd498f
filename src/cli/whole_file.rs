//! Files that are there as a whole or not at all.

use std::fs;
use std::io;
use std::path::Path;

/// Writes the whole file or nothing.
pub(in crate::cli) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)
}
