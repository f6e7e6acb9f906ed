//! Heartbeats of workers, for the fleet page and for load tests.
//!
//! A heartbeat is bounded, however many models there are and whatever a service answers. What an
//! older worker does not write reads as empty.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::budget::MicroUsd;
use crate::timestamp::Timestamp;

/// A worker whose last heartbeat is older than this, 30 s, counts as stopped.
pub const SILENCE: Duration = Duration::from_secs(30);

/// The longest host name in a heartbeat, in characters (Linux allows 64).
pub const MAX_HOST_CHARACTERS: usize = 64;

/// The longest cause of an outage in a heartbeat, in characters.
pub const MAX_CAUSE_CHARACTERS: usize = 200;

/// The most models in a heartbeat, the first of the list.
pub const MAX_MODELS: usize = 16;

/// The longest model id in a heartbeat, in characters.
pub const MAX_MODEL_CHARACTERS: usize = 128;

/// What a job depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OutageService)]
pub enum Service {
    /// MongoDB or SQLite.
    Store,
    /// The bucket of the pictures.
    Bucket,
    /// All models of the list together.
    Model,
}

/// A circuit breaker of a worker that is open: the service would fail every job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// Of which service.
    pub service: Service,
    /// When the breaker opened.
    pub since: Timestamp,
    /// What the service last answered, at most [`MAX_CAUSE_CHARACTERS`] characters.
    pub cause: String,
}

/// The circuit breaker of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ModelBreaker)]
pub enum ModelBreaker {
    /// The model is called.
    Closed,
    /// The model is overloaded or does not answer: it is probed, and others are called.
    Open,
    /// The model refuses us, whatever the prompt: others are called.
    Refused,
}

/// How a worker uses one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelLoad {
    /// The model's id, at most [`MAX_MODEL_CHARACTERS`] characters.
    pub model: String,
    /// Calls at a time by its concurrency limit.
    pub limit: u32,
    /// Calls under way.
    pub in_flight: u32,
    /// Its circuit breaker.
    pub breaker: ModelBreaker,
    /// What calls to it cost that it billed, or may have, since the worker's start.
    #[serde(default)]
    pub spent: MicroUsd,
}

/// The state of one worker, written every few seconds in place of the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The worker's name, new at each start of its process.
    pub worker: String,
    /// When its process started.
    pub started_at: Timestamp,
    /// When this was written.
    pub at: Timestamp,
    /// Jobs that it works on at most.
    pub slots: u32,
    /// Jobs that it is working on.
    pub slots_in_use: u32,
    /// Whether a circuit breaker is open: a fault would fail every job.
    pub paused: bool,
    /// Times that the model throttled it, since its start.
    pub throttles: u64,
    /// Calls to the model, since its start.
    pub model_calls: u64,
    /// Jobs that ended in `success` or `failed`, since its start.
    pub jobs_finished: u64,
    /// Resident memory of its process in bytes; 0 where it cannot be read.
    pub resident_bytes: u64,
    /// The machine, container or pod that it runs in; empty where it does not tell.
    #[serde(default)]
    pub host: String,
    /// Jobs that it takes by its present concurrency limit; absent where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Whether it takes no jobs since an operator paused the fleet.
    #[serde(default)]
    pub fleet_paused: bool,
    /// The circuit breakers that are open.
    #[serde(default)]
    pub outages: Vec<Outage>,
    /// The models of its list, at most [`MAX_MODELS`].
    #[serde(default)]
    pub models: Vec<ModelLoad>,
}

impl Heartbeat {
    /// What its calls to models cost since its start.
    pub fn spent(&self) -> MicroUsd {
        let spent = self.models.iter().map(|model| model.spent);
        spent.fold(MicroUsd::ZERO, MicroUsd::plus)
    }
}

/// The first `max` characters of a text.
pub fn shortened(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_heartbeat_of_an_older_worker_reads_with_nothing_in_the_new_fields() {
        let old = json!({
            "worker": "w", "started_at": 1.0, "at": 2.0, "slots": 8, "slots_in_use": 3,
            "paused": true, "throttles": 0, "model_calls": 0, "jobs_finished": 0,
            "resident_bytes": 1,
        });
        let read: Heartbeat = serde_json::from_value(old).unwrap();
        assert!(read.host.is_empty() && read.outages.is_empty() && read.models.is_empty());
        assert_eq!((read.limit, read.fleet_paused), (None, false));
        assert_eq!(read.spent(), MicroUsd::ZERO);
    }

    #[test]
    fn a_text_is_shortened_by_characters() {
        assert_eq!(shortened("überall", 3), "übe");
        assert_eq!(shortened("kurz", 9), "kurz");
    }
}
