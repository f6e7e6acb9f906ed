//! What the polls of the queue say of a worker's health.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longer than any poll waits for messages and for its answer.
const LONGEST_POLL: Duration = Duration::from_secs(60);

/// What the polls say of a worker's health.
#[derive(Debug)]
pub(crate) struct Polls {
    now: Mutex<Doing>,
    queue_answers: AtomicBool,
    longest_job: Duration,
}

/// What the loop that receives does.
#[derive(Clone, Copy, Debug)]
enum Doing {
    /// All slots are busy, or the worker is paused, since then.
    Waiting(Instant),
    /// It polls, since then.
    Polling(Instant),
}

impl Polls {
    /// All slots may be busy for as long as the model takes through all the throttling of one try:
    /// half a dozen calls.
    pub(crate) fn new(model_timeout: Duration) -> Self {
        Self {
            now: Mutex::new(Doing::Waiting(Instant::now())),
            queue_answers: AtomicBool::new(false),
            longest_job: LONGEST_POLL + model_timeout * 6,
        }
    }

    pub(crate) fn polls(&self) {
        *self.now.lock().expect("no panic while held") = Doing::Polling(Instant::now());
    }

    pub(crate) fn polled(&self, answered: bool) {
        *self.now.lock().expect("no panic while held") = Doing::Waiting(Instant::now());
        self.queue_answers.store(answered, Ordering::Relaxed);
    }

    pub(crate) fn queue_answers(&self) -> bool {
        self.queue_answers.load(Ordering::Relaxed)
    }

    /// While an outage or an operator has `paused` the worker, it polls nothing.
    pub(crate) fn is_alive(&self, paused: bool) -> bool {
        match *self.now.lock().expect("no panic while held") {
            Doing::Waiting(since) => paused || since.elapsed() < self.longest_job,
            Doing::Polling(since) => since.elapsed() < LONGEST_POLL,
        }
    }
}
