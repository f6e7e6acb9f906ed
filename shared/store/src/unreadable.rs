//! Documents that cannot be read: each is reported once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use atelier_domain::failure::Failure;
use atelier_runtime::telemetry::events::Alert;

/// A sweep looks at one again after this time: a later version may be able to read it.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(3600);

/// More than this many are not remembered, so that they may be reported again.
const REMEMBERED: usize = 10_000;

/// Those that this process has reported.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    reported: Mutex<HashSet<String>>,
}

impl Unreadable {
    /// Alerts an operator, the first time.
    pub(crate) fn report(&self, id: &str, cause: &str) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() >= REMEMBERED {
            reported.clear();
        }
        if reported.insert(id.to_owned()) {
            Alert {
                failure: Failure::Unforeseen,
                assignment_id: id,
                correlation_id: "",
                cause: &format!("its document cannot be read: {cause}"),
            }
            .emit();
        }
    }
}
