//! A concurrency limit by additive increase and multiplicative decrease.

use std::time::Duration;

use tokio::time::Instant;

/// Overloads within this time are one event: they answer calls that were made at the same concurrency.
const ONE_EVENT: Duration = Duration::from_secs(1);

/// A limit between 1 and its ceiling.
#[derive(Debug)]
pub(crate) struct Aimd {
    ceiling: f64,
    limit: f64,
    last_cut: Option<Instant>,
}

impl Aimd {
    /// Starts at `ceiling`, 1 to 512.
    pub(crate) fn new(ceiling: u32) -> Self {
        Self {
            ceiling: ceiling.into(),
            limit: ceiling.into(),
            last_cut: None,
        }
    }

    /// How many may be in use at a time.
    pub(crate) fn limit(&self) -> u32 {
        self.limit as u32
    }

    /// One went well: the limit grows by one for each round of them.
    pub(crate) fn increase(&mut self) {
        self.limit = (self.limit + 1.0 / self.limit).min(self.ceiling);
    }

    /// One was refused for lack of capacity while `in_use` were in use: the limit halves, once an
    /// event.
    pub(crate) fn decrease(&mut self, in_use: u32) {
        let now = Instant::now();
        let same_event = self.last_cut.is_some_and(|cut| now < cut + ONE_EVENT);
        if !same_event {
            self.limit = (self.limit.min(in_use.into()) / 2.0).max(1.0);
            self.last_cut = Some(now);
        }
    }
}
