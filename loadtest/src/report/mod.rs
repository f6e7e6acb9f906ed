//! What a run leaves behind: a verdict on the terminal, JSON, and one HTML file.

pub mod chart;
pub mod page;
mod run_page;
pub mod text;

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::{BadUsage, TargetArgs};
use crate::criteria::Criterion;
use crate::results::Results;

/// Writes the files that were asked for and prints the verdict.
///
/// # Errors
/// When a file cannot be written or a chart cannot be drawn.
pub fn write(
    results: &Results,
    earlier: Option<&Results>,
    target: &TargetArgs,
) -> anyhow::Result<()> {
    if let Some(path) = &target.json {
        write_json(path, results)?;
    }
    if let Some(path) = &target.report {
        write_file(path, &run_page::render(results, earlier)?)?;
    }
    print!("{}", text::operations(results));
    print!("{}", text::criteria(&results.criteria));
    Ok(())
}

/// Refuses paths that nothing can be written to, before a long run that would end there. What a
/// file holds stays.
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
            // It was only a trial; if it stays, the run writes over it.
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

/// A criterion's verdict in one sign.
pub fn sign(criterion: &Criterion) -> &'static str {
    match criterion.holds {
        Some(true) => "✓",
        Some(false) => "✗",
        None => "–",
    }
}
