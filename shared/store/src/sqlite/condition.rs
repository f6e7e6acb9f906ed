//! Whether the file takes writes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use atelier_runtime::telemetry::events::StoreAlert;

use super::fault::Fault;

/// Between two alerts: while the trouble lasts every write meets it.
const ALERT_EVERY: Duration = Duration::from_secs(60);

/// With less than this the disk is full, in bytes: there is room for no picture beside the file, and
/// for few documents in it.
const LEAST_SPACE: u64 = 1 << 20;

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
            self.alert(&fault);
        }
        fault
    }

    /// Looks whether the disk has space. A write may succeed on a full one, since the file and its log
    /// have free pages; the next may not.
    pub(super) fn check_space(&self) -> Result<(), Fault> {
        // Where the system does not say, the writes will.
        let Ok(disk) = rustix::fs::statvfs(&*self.path) else {
            return Ok(());
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= LEAST_SPACE {
            return Ok(());
        }
        let fault = Fault::full(&self.path, free);
        self.alert(&fault);
        Err(fault)
    }

    fn alert(&self, fault: &Fault) {
        if self.alert_is_due() {
            let cause = &fault.to_string();
            StoreAlert { cause }.emit();
        }
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
