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
pub struct Behavior {
    settings: Arc<Mutex<Settings>>,
    guarded: Arc<Mutex<Guarded>>,
}

/// The words that the guardrail blocks, in lower case.
#[derive(Debug)]
struct Guarded(Vec<String>);

impl Default for Guarded {
    fn default() -> Self {
        Self(["suicide", "drugs", "weapon"].map(str::to_owned).to_vec())
    }
}

impl Behavior {
    /// A model with these settings.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(Mutex::new(settings)),
            guarded: Arc::default(),
        }
    }

    /// Changes the settings for every call that begins from now on.
    pub fn set(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The settings in force.
    pub fn get(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the words that the guardrail blocks, for every call that begins from now on. Case
    /// does not matter.
    pub fn guard(&self, words: impl IntoIterator<Item = String>) {
        let words = words.into_iter().map(|word| word.to_lowercase()).collect();
        *self.guarded.lock().unwrap_or_else(PoisonError::into_inner) = Guarded(words);
    }

    /// The words that the guardrail blocks.
    pub fn guarded_words(&self) -> Vec<String> {
        let guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        guarded.0.clone()
    }
}
