//! The outcome of a run: criteria on the terminal, JSON, and one HTML file.

mod page;
mod terminal;

use atelier_report::files::{write_file, write_json};
use atelier_report::text;

use crate::cli::TargetArgs;
use crate::results::Results;

/// Writes the files that were asked for and prints the criteria.
///
/// # Errors
/// When a file cannot be written or a chart cannot be drawn.
pub(crate) fn write(
    results: &Results,
    earlier: Option<&Results>,
    target: &TargetArgs,
) -> anyhow::Result<()> {
    if let Some(path) = &target.json {
        write_json(path, results)?;
    }
    if let Some(path) = &target.report {
        write_file(path, &page::render(results, earlier)?)?;
    }
    print!("{}", terminal::operations(results));
    print!("{}", text::criteria(&results.criteria));
    Ok(())
}
