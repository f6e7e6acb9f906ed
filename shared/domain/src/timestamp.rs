//! Points in time as the document stores them.

use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, as a float, which the portal's documents have.
///
/// We round to microseconds: their decimal form is so short that every JSON parser returns the same
/// float, which compare-and-set relies on.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(f64);

impl Timestamp {
    /// The time of this machine's clock.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self::from_seconds(since_epoch.as_secs_f64())
    }

    /// From seconds since the epoch, to the microsecond.
    pub const fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1e6).round() / 1e6)
    }

    /// From seconds since the epoch that another program may have written; not rounded.
    pub const fn from_exact_seconds(seconds: f64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    pub const fn seconds(self) -> f64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from_secs_f64(self.0 - earlier.0).unwrap_or_default()
    }

    /// The earlier of the two.
    pub fn min(self, other: Self) -> Self {
        Self(self.0.min(other.0))
    }

    /// From the form of RFC 3339, as in `2026-11-29T17:30:00+01:00`; `None` where it is another.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let format = &time::format_description::well_known::Rfc3339;
        let read = time::OffsetDateTime::parse(text, format).ok()?;
        Some(Self::from_seconds(read.unix_timestamp_nanos() as f64 / 1e9))
    }

    /// In the form of RFC 3339, to the second, in UTC.
    pub fn rfc3339(self) -> String {
        time::OffsetDateTime::from_unix_timestamp(self.0 as i64)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
            .format(&time::format_description::well_known::Rfc3339)
            // A year before 0 has no such form.
            .unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned())
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self::from_seconds(self.0 + later.as_secs_f64())
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, earlier: Duration) -> Self {
        Self::from_seconds(self.0 - earlier.as_secs_f64())
    }
}
