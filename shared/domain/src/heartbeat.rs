//! Heartbeats of workers, for the fleet page and for load tests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// A worker whose last heartbeat is older than this, 30 s, counts as stopped.
pub const SILENCE: Duration = Duration::from_secs(30);

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
    /// Whether its circuit breaker is open: a fault would fail every job.
    pub paused: bool,
    /// Times that the model throttled it, since its start.
    pub throttles: u64,
    /// Calls to the model, since its start.
    pub model_calls: u64,
    /// Jobs that ended in `success` or `failed`, since its start.
    pub jobs_finished: u64,
    /// Resident memory of its process in bytes; 0 where it cannot be read.
    pub resident_bytes: u64,
}
