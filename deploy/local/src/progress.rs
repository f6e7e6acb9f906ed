//! Says on stderr how far a run is: one line that is rewritten on a terminal, else one line now and
//! then.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Between two lines on a terminal.
const ON_A_TERMINAL: Duration = Duration::from_millis(200);

/// Between two lines in a log.
const IN_A_LOG: Duration = Duration::from_secs(10);

/// Says how far a run is.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    last: Instant,
    is_terminal: bool,
    /// How many documents there are, if that is known.
    total: Option<u64>,
}

impl Progress {
    pub(crate) fn new(total: Option<u64>) -> Self {
        Self {
            start: Instant::now(),
            last: Instant::now(),
            is_terminal: std::io::stderr().is_terminal(),
            total,
        }
    }

    /// Since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Logs how many documents are `done`, and `what` of them, if the last time is long enough ago.
    pub(crate) fn tell(&mut self, done: u64, what: impl FnOnce() -> String) {
        let pause = match self.is_terminal {
            true => ON_A_TERMINAL,
            false => IN_A_LOG,
        };
        if self.last.elapsed() < pause {
            return;
        }
        self.last = Instant::now();
        let line = line(done, &what(), self.total, self.start.elapsed());
        // Nobody may read it, which is no fault of the run.
        let _ = match self.is_terminal {
            true => write!(std::io::stderr(), "\r\x1b[K{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }

    /// Leaves the terminal clean for the summary.
    pub(crate) fn end(&self) {
        if self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(done: u64, what: &str, total: Option<u64>, elapsed: Duration) -> String {
    let per_second = done as f64 / elapsed.as_secs_f64().max(0.001);
    let of = total.map_or(String::new(), |total| format!(" of {total}"));
    let mut line = format!("{done}{of} documents, {what}, {per_second:.0} a second");
    if let Some(left) = total.map(|total| total.saturating_sub(done))
        && per_second > 0.0
    {
        let seconds = (left as f64 / per_second).ceil() as u64;
        line.push_str(&format!(", {} min {} s left", seconds / 60, seconds % 60));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_long_it_takes_where_the_total_is_known() {
        let what = "40 imported, 10 skipped";
        let elapsed = Duration::from_secs(5);
        assert_eq!(
            line(50, what, Some(1000), elapsed),
            "50 of 1000 documents, 40 imported, 10 skipped, 10 a second, 1 min 35 s left"
        );
        assert_eq!(
            line(50, what, None, elapsed),
            "50 documents, 40 imported, 10 skipped, 10 a second"
        );
    }
}
