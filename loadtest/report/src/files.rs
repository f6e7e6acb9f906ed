//! The files of a report, and the refusal of usage that makes no sense.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

/// The command line or a file that it names makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BadUsage(pub String);

/// Refuses paths that cannot be written, before a long run that would fail at its end. The content
/// of a file stays.
///
/// # Errors
/// [`BadUsage`] naming the path.
pub fn refuse_unwritable<'a>(
    paths: impl IntoIterator<Item = &'a Option<PathBuf>>,
) -> Result<(), BadUsage> {
    for path in paths.into_iter().flatten() {
        let is_new = !path.exists();
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(|error| BadUsage(format!("cannot write {}: {error}", path.display())))?;
        if is_new {
            // If it stays, the run overwrites it.
            let _ = std::fs::remove_file(path);
        }
    }
    Ok(())
}

/// Writes anything as readable JSON.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    write_file(path, &(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a file, naming it where that fails.
///
/// # Errors
/// When it cannot be written.
pub fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
