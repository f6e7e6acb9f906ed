//! Whether the file takes writes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atelier_runtime::telemetry::events::StoreAlert;

use super::fault::Fault;

/// Between two alerts: while the trouble lasts every write meets it.
const ALERT_EVERY: Duration = Duration::from_secs(60);

/// What reads and writes found out about the file.
#[derive(Debug)]
pub(super) struct Condition {
    path: Arc<Path>,
    refused: AtomicBool,
    alerted: Mutex<Option<Instant>>,
}

impl Condition {
    pub(super) fn new(path: Arc<Path>) -> Self {
        Self {
            path,
            refused: AtomicBool::new(false),
            alerted: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The fault that `error` is. One that lasts until something is repaired alerts an operator.
    pub(super) fn fault(&self, error: rusqlite::Error) -> Fault {
        let fault = Fault::new(&self.path, error);
        if fault.reason().stops_writes() {
            self.refused.store(true, Ordering::Relaxed);
            if self.alert_is_due() {
                let cause = &fault.to_string();
                StoreAlert { cause }.emit();
            }
        }
        fault
    }

    /// A write succeeded.
    pub(super) fn wrote(&self) {
        if self.refused.swap(false, Ordering::Relaxed) {
            tracing::info!(file = %self.path.display(), "the store takes writes again");
        }
    }

    /// Whether the last write was refused for something that has to be repaired.
    pub(super) fn refuses_writes(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    fn alert_is_due(&self) -> bool {
        let mut alerted = self.alerted.lock().unwrap_or_else(PoisonError::into_inner);
        let due = alerted.is_none_or(|at| at.elapsed() >= ALERT_EVERY);
        if due {
            *alerted = Some(Instant::now());
        }
        due
    }
}
