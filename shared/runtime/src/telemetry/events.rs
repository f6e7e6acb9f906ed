//! Events: one struct each, with its log line and metrics.

use std::time::Duration;

use atelier_domain::failure::Failure;
use tracing::Span;

use crate::telemetry::{metrics, span_failed};

/// Something that an operator has to look at.
#[derive(Debug)]
pub struct Alert<'a> {
    /// The failure that the assignment ends in, if it ends.
    pub failure: Failure,
    /// The assignment.
    pub assignment_id: &'a str,
    /// The correlation id of its log lines; empty where only the spans around know it.
    pub correlation_id: &'a str,
    /// The whole chain of causes.
    pub cause: &'a str,
}

impl Alert<'_> {
    /// Logs and counts it.
    pub fn emit(self) {
        let code = self.failure.code();
        tracing::error!(
            alert = true,
            code,
            assignment = self.assignment_id,
            correlation_id = (!self.correlation_id.is_empty()).then_some(self.correlation_id),
            cause = self.cause,
            "needs an operator"
        );
        metrics::get().alert(code);
    }
}

/// The store takes no writes, or is damaged.
#[derive(Debug)]
pub struct StoreAlert<'a> {
    /// What is wrong, and with which file.
    pub cause: &'a str,
}

impl StoreAlert<'_> {
    /// Logs and counts it.
    pub fn emit(self) {
        const CODE: &str = "store";
        tracing::error!(
            alert = true,
            code = CODE,
            cause = self.cause,
            "needs an operator"
        );
        metrics::get().alert(CODE);
    }
}

/// A job ended in `success`.
#[derive(Debug)]
pub struct JobSucceeded<'a> {
    /// The assignment.
    pub assignment_id: &'a str,
    /// How the picture came about: `generated`, `reused` or `adopted`.
    pub how: &'static str,
    /// From claim to finish.
    pub duration: Duration,
}

impl JobSucceeded<'_> {
    /// Logs and counts it.
    pub fn emit(self) {
        tracing::info!(
            assignment = self.assignment_id,
            how = self.how,
            duration_ms = self.duration.as_millis() as u64,
            "picture ready"
        );
        metrics::get().job("success", self.how);
    }
}

/// An assignment ended in `failed`.
#[derive(Debug)]
pub struct JobFailed<'a> {
    /// Why.
    pub failure: Failure,
    /// The assignment.
    pub assignment_id: &'a str,
    /// In the message that the teacher reads.
    pub correlation_id: &'a str,
    /// The whole chain of causes.
    pub cause: &'a str,
}

impl JobFailed<'_> {
    /// Logs and counts it, and alerts where the failure needs an operator.
    pub fn emit(self) {
        let code = self.failure.code();
        tracing::warn!(
            assignment = self.assignment_id,
            code,
            correlation_id = self.correlation_id,
            cause = self.cause,
            "no picture"
        );
        span_failed(&Span::current(), &code);
        metrics::get().job("failed", code);
        if self.failure.alerts() {
            Alert {
                failure: self.failure,
                assignment_id: self.assignment_id,
                correlation_id: self.correlation_id,
                cause: self.cause,
            }
            .emit();
        }
    }
}
