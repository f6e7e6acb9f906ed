//! One attempt at a job under a claim.

use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use atelier_cloud::queue::Message;
use atelier_domain::assignment::Assignment;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::Finished;
use atelier_runtime::telemetry::metrics;

use crate::lease::Lease;
use crate::renditions::Source;
use crate::worker::Worker;

/// One try of a job under a claim.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) message: &'a Message,
    pub(crate) lease: &'a Lease,
    pub(crate) assignment: &'a Assignment,
    pub(crate) started: Instant,
    /// Puts tried.
    pub(crate) puts: AtomicU32,
    pub(crate) queue_wait: Duration,
}

/// A picture that lies under the assignment's key.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) finished: Finished,
    /// How it came about: `generated`, `reused` or `adopted`.
    pub(crate) how: &'static str,
    /// What the object's tag says of `permanent`; `None` where it is not known.
    pub(crate) tagged: Option<bool>,
    /// The version that this try wrote.
    pub(crate) version: Option<String>,
    /// What its renditions can be made of.
    pub(crate) source: Source,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(
        worker: &'a Worker,
        message: &'a Message,
        lease: &'a Lease,
        assignment: &'a Assignment,
    ) -> Self {
        let sent_at = assignment
            .sent_at
            .or(message.sent_at)
            .unwrap_or(assignment.created_at);
        let queue_wait = Timestamp::now().since(sent_at);
        metrics::get().queue_wait(queue_wait);
        Self {
            worker,
            message,
            lease,
            assignment,
            started: Instant::now(),
            puts: AtomicU32::new(0),
            queue_wait,
        }
    }

    /// When the keeper looks at the assignment if it is given back now.
    pub(crate) fn wake_at(&self) -> Timestamp {
        let sent_at = self.assignment.sent_at.unwrap_or_else(Timestamp::now);
        let job = &self.worker.config.job;
        job.wake_at_after_send(sent_at, self.assignment.give_up_at)
    }

    /// The id in the log lines of all processes.
    pub(crate) fn correlation_id(&self) -> &str {
        match self.assignment.correlation_id.as_str() {
            "" => &self.message.context.correlation_id,
            id => id,
        }
    }
}
