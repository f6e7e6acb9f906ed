//! What a run prints.

use std::fmt::Write as _;

use atelier_report::text::seconds;

use crate::results::Results;

/// The percentiles, one timing a line.
pub(super) fn operations(results: &Results) -> String {
    let mut text = format!(
        "\n{:<18}{:>8}{:>11}{:>11}{:>11}\n",
        "", "count", "p50", "p95", "p99"
    );
    for (name, found) in results.timed() {
        let [p50, p95, p99] = [found.p50, found.p95, found.p99].map(seconds);
        let _ = writeln!(
            text,
            "{name:<18}{:>8}{p50:>11}{p95:>11}{p99:>11}",
            found.count
        );
    }
    for (kind, count) in &results.errors {
        let _ = writeln!(text, "error: {kind}: {count}");
    }
    text
}
