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
    /// Jobs that the live workers can do at a time.
    pub slots: u32,
    /// How long a worker lately took to make a picture, in seconds, however few were made; `None`
    /// until the first is measured.
    pub making_seconds: Option<f64>,
    /// How long an operator's pause still holds the fleet: 0 without one, infinite where no end was
    /// given.
    pub paused_seconds: f64,
}

impl Measured {
    /// The seconds, rounded to 0.1, until a job that has `ahead` jobs before it is expected to be
    /// done: until a pause ends and a slot is free for it, and while its picture is made. `None` where
    /// nothing that this depends on was measured, and in a pause without an end.
    pub fn wait_behind(&self, ahead: u64) -> Option<f64> {
        let queue = self.until_a_slot_is_free(ahead);
        let working = match self.making_seconds {
            Some(making) => queue.unwrap_or_default() + making,
            None => queue?,
        };
        let seconds = self.paused_seconds + working;
        seconds.is_finite().then(|| (seconds * 10.0).round() / 10.0)
    }

    /// Where there are slots for all that are before it, it begins at once.
    fn until_a_slot_is_free(&self, ahead: u64) -> Option<f64> {
        let jobs_per_second = self.jobs_per_second.or_else(|| self.full_speed())?;
        let others = u64::from(self.slots.saturating_sub(1));
        Some(ahead.saturating_sub(others) as f64 / jobs_per_second)
    }

    fn full_speed(&self) -> Option<f64> {
        let making = self.making_seconds.filter(|it| *it > 0.0)?;
        (self.slots > 0).then(|| f64::from(self.slots) / making)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_the_time_in_the_queue_and_the_time_of_making() {
        let wait = |jobs_per_second, slots, making_seconds, ahead| {
            let measured = Measured {
                jobs_per_second,
                slots,
                making_seconds,
                ..Measured::default()
            };
            measured.wait_behind(ahead)
        };
        assert_eq!(wait(None, 0, None, 0), None, "nothing is known");
        assert_eq!(wait(None, 8, Some(3.0), 0), Some(3.0), "an idle fleet");
        assert_eq!(wait(Some(2.0), 8, Some(3.0), 7), Some(3.0), "a free slot");
        assert_eq!(wait(Some(2.0), 8, Some(3.0), 17), Some(8.0));
        assert_eq!(wait(None, 8, Some(4.0), 15), Some(8.0), "at full speed");
        assert_eq!(wait(None, 0, Some(3.0), 5), Some(3.0), "at least that");
        assert_eq!(wait(Some(0.5), 0, None, 4), Some(8.0), "none was made");
    }

    #[test]
    fn a_wait_has_the_rest_of_a_pause() {
        let wait = |paused_seconds| {
            let measured = Measured {
                slots: 8,
                making_seconds: Some(3.0),
                paused_seconds,
                ..Measured::default()
            };
            measured.wait_behind(0)
        };
        assert_eq!(wait(60.0), Some(63.0));
        assert_eq!(wait(f64::INFINITY), None, "until an operator ends it");
    }
}
