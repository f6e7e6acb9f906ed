//! The queue's time: milliseconds since 1970 that never run backwards.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970-01-01T00:00Z, or a span of them.
pub(super) type Millis = u64;

/// Reads the time of day once and counts on from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    started_at: Millis,
}

impl Clock {
    /// Starts at the time of day.
    pub(super) fn start() -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self {
            started: Instant::now(),
            started_at: millis(since_1970),
        }
    }

    /// The time now.
    pub(super) fn now(&self) -> Millis {
        self.started_at + millis(self.started.elapsed())
    }

    /// The instant of the runtime's clock at which [`Clock::now`] is `time`.
    pub(super) fn instant(&self, time: Millis) -> Instant {
        self.started + Duration::from_millis(time.saturating_sub(self.started_at))
    }
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
