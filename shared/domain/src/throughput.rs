//! The throughput of the fleet, and the wait to expect from it.

use std::sync::Mutex;

use crate::timestamp::Timestamp;

/// One measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Measured {
    /// Jobs that the fleet finishes in a second; `None` if it finished none within a minute.
    pub jobs_per_second: Option<f64>,
    /// Jobs in the queue, those in flight included.
    pub queued: u64,
    /// Jobs that the fleet can do in a second at most: the slots of live workers by the mean
    /// duration of a job; `None` until enough jobs have finished to know, or without workers.
    pub capacity_per_second: Option<f64>,
    /// When the oldest pending assignment was posted.
    pub oldest_pending: Option<Timestamp>,
}

impl Measured {
    /// The expected wait of a job that has `ahead` jobs before it, in seconds, rounded to 0.1.
    pub fn wait_behind(&self, ahead: u64) -> Option<f64> {
        let seconds = ahead as f64 / self.jobs_per_second?;
        Some((seconds * 10.0).round() / 10.0)
    }

    /// The wait of a job posted now if the fleet works at its capacity, in seconds.
    pub fn shortest_wait(&self) -> Option<f64> {
        Some(self.queued as f64 / self.capacity_per_second?)
    }

    /// The expected wait of a job posted now, in seconds, rounded to 0.1.
    pub fn wait_at_the_end(&self) -> Option<f64> {
        self.wait_behind(self.queued)
    }
}

/// The latest measurement of this process.
#[derive(Debug, Default)]
pub struct Throughput {
    latest: Mutex<Measured>,
}

impl Throughput {
    /// The latest measurement.
    pub fn latest(&self) -> Measured {
        *self.latest.lock().expect("no panic while held")
    }

    /// Replaces the latest measurement.
    pub fn set(&self, measured: Measured) {
        *self.latest.lock().expect("no panic while held") = measured;
    }
}
