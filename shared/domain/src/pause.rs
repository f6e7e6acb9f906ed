//! An operator's pause of the fleet: workers take no new jobs while it holds.

use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// The longest reason of a pause, in characters.
pub const MAX_REASON_CHARACTERS: usize = 200;

/// The longest time that a pause may hold by itself, in days. A longer one has no end, and an
/// operator resumes the fleet.
pub const MAX_DAYS: u32 = 30;

/// A pause; there is one of the whole fleet at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Who paused the fleet, as the audit log has it ([`crate::audit::Actor::recorded`]).
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself; `None`: when an operator resumes the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, in the operator's words: 1 to [`MAX_REASON_CHARACTERS`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Pause {
    /// Whether it has not ended at `now`.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_by_itself_at_its_time_or_never() {
        let at = Timestamp::from_seconds;
        let mut pause = Pause {
            by: "nobody".to_owned(),
            since: at(1.0),
            until: Some(at(10.0)),
            reason: None,
        };
        assert!(pause.holds(at(9.9)) && !pause.holds(at(10.0)));
        pause.until = None;
        assert!(pause.holds(at(1e12)));
    }
}
