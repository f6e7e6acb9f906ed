//! Numbers and criteria as text.

use std::fmt::Write as _;

use crate::criterion::{Criterion, all_hold};

/// The criteria, one a line, and the verdict.
pub fn criteria(criteria: &[Criterion]) -> String {
    let mut text = String::from("\n");
    let width = criteria
        .iter()
        .map(|each| each.name.chars().count())
        .max()
        .unwrap_or(0);
    for each in criteria {
        let figure = each.figure.map_or("not shown".to_owned(), figure);
        let limit = format!("{} {}", each.comparison.sign(), self::figure(each.limit));
        let note = each
            .note
            .as_deref()
            .map(|note| format!("  ({note})"))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "{} {:<width$} {figure:>10}  limit {limit}{note}",
            each.sign(),
            each.name
        );
    }
    let verdict = if all_hold(criteria) {
        "every criterion holds"
    } else {
        "a criterion does not hold"
    };
    let _ = writeln!(text, "{verdict}");
    text
}

/// A length of time as people read it.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 0.001 => format!("{:.0} µs", s * 1e6),
        s if s < 0.1 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.2} s"),
        s if s < 7200.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// A number with as many figures as tell something.
pub fn figure(number: f64) -> String {
    match number.abs() {
        n if n >= 100.0 || n.fract() == 0.0 => format!("{number:.0}"),
        n if n >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.4}").trim_end_matches('0').to_owned(),
    }
}

/// A number of bytes as people read it.
pub fn bytes(bytes: f64) -> String {
    match bytes.abs() {
        n if n >= 1e9 => format!("{:.2} GB", bytes / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        n if n >= 1e3 => format!("{:.1} kB", bytes / 1e3),
        _ => format!("{bytes:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0, 0.00042, 0.0123, 0.42, 8.5, 600.0, 21_600.0].map(seconds),
            [
                "0 s", "420 µs", "12.3 ms", "420 ms", "8.50 s", "10.0 min", "6.0 h"
            ]
        );
        assert_eq!(
            [3.0, 0.05, 0.96789, 1.234, 299.7].map(figure),
            ["3", "0.05", "0.9679", "1.23", "300"]
        );
        assert_eq!(
            [12.0, 1536.0, 2.5e6, 3e9].map(bytes),
            ["12 B", "1.5 kB", "2.5 MB", "3.00 GB"]
        );
    }
}
