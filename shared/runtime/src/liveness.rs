//! Whether a loop of this process still goes round.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The last time that a loop was seen at work.
#[derive(Debug)]
pub struct Liveness {
    last: Mutex<Instant>,
    limit: Duration,
}

impl Liveness {
    /// A loop that counts as alive for `limit` after each beat, and from now on.
    pub fn new(limit: Duration) -> Self {
        Self {
            last: Mutex::new(Instant::now()),
            limit,
        }
    }

    /// The loop is at work.
    pub fn beat(&self) {
        *self.last.lock().expect("no panic while held") = Instant::now();
    }

    /// Whether it was at work within the limit.
    pub fn is_alive(&self) -> bool {
        self.last.lock().expect("no panic while held").elapsed() < self.limit
    }
}
