//! What workers say of themselves, for the page of the fleet and for load tests.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// One worker's word of itself, written every few seconds in place of the one before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The worker's name, new at each start of its process.
    pub worker: String,
    /// When its process started.
    pub started_at: Timestamp,
    /// When it said so.
    pub at: Timestamp,
    /// Jobs that it has room for.
    pub slots: u32,
    /// Jobs that it is working on.
    pub slots_in_use: u32,
    /// Whether it waits for a fault to end that would fail every job.
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
