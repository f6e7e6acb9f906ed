//! What a doctor says.

use std::fmt;

use serde::Serialize;

/// How it is with one thing that is needed.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// What was tried.
    what: String,
    state: State,
    /// What was found, and what to do about it.
    words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Good,
    /// It works; an operator ought to know.
    Warning,
    /// Without it nothing works.
    Missing,
}

impl Finding {
    fn new(what: impl Into<String>, state: State, words: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            state,
            words: words.into(),
        }
    }

    pub(super) fn good(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(what, State::Good, words)
    }

    pub(super) fn warning(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(what, State::Warning, words)
    }

    pub(super) fn missing(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(what, State::Missing, words)
    }
}

/// What a doctor says.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether nothing is missing.
    pub(super) ok: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn of(findings: Vec<Finding>) -> Self {
        Self {
            ok: findings.iter().all(|it| it.state != State::Missing),
            findings,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Finding { what, state, words } in &self.findings {
            let state = match state {
                State::Good => "ok     ",
                State::Warning => "warning",
                State::Missing => "MISSING",
            };
            writeln!(f, "{state}  {what}: {words}")?;
        }
        match self.ok {
            true => writeln!(f, "nothing is missing"),
            false => writeln!(f, "something is missing"),
        }
    }
}
