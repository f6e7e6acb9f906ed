//! The model's latency, and how often it throttles and fails.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The model's behavior.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// An answer comes this long after its request, or later when painting takes longer. Refusals
    /// come at once.
    pub latency: Duration,
    /// Share of the calls that are throttled, 0 to 1.
    pub throttle: f64,
    /// Share of the calls that fail in the service (unavailable, internal error, timed out), 0
    /// to 1.
    pub failure: f64,
}

impl Default for Settings {
    /// Answers after a second, and always.
    fn default() -> Self {
        Self {
            latency: Duration::from_secs(1),
            throttle: 0.0,
            failure: 0.0,
        }
    }
}

/// The settings in force; clones share them, so that they can be changed while the model serves.
#[derive(Clone, Debug, Default)]
pub struct Behavior(Arc<Mutex<Settings>>);

impl Behavior {
    /// A model with these settings.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(settings)))
    }

    /// Changes the settings for every call that begins from now on.
    pub fn set(&self, settings: Settings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The settings in force.
    pub fn get(&self) -> Settings {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
