//! What a check finds.

use std::fmt;

use serde::Serialize;

/// How it is with one thing that is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found, and what to do about it.
    pub words: String,
}

/// How it is with a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
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

    /// `what` is as it should be.
    pub fn good(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(what, State::Good, words)
    }

    /// `what` works; an operator ought to know.
    pub fn warning(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(what, State::Warning, words)
    }

    /// Without `what` nothing works.
    pub fn missing(what: impl Into<String>, words: impl Into<String>) -> Self {
        Self::new(what, State::Missing, words)
    }
}

/// All findings of an examination.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether nothing is missing.
    pub ok: bool,
    findings: Vec<Finding>,
}

impl Report {
    /// A report of `findings`.
    pub fn of(findings: Vec<Finding>) -> Self {
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
