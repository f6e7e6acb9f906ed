//! What the embedded cloud has done since its start: the numbers behind `GET /stats`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::faults::Service;

type Counts = HashMap<Service, BTreeMap<&'static str, u64>>;

/// Counters that are shown from the start, so that readers need no default for them.
const ALWAYS_SHOWN: [(Service, &str); 8] = [
    (Service::Bedrock, "calls"),
    (Service::Bedrock, "pictures"),
    (Service::Bedrock, "throttled"),
    (Service::Sqs, "sent"),
    (Service::Sqs, "received"),
    (Service::Sqs, "deleted"),
    (Service::Cdn, "hits"),
    (Service::Cdn, "misses"),
];

/// Counts by service and operation since the start; clones share them.
#[derive(Clone, Debug)]
pub struct Counters(Arc<Mutex<Counts>>);

impl Default for Counters {
    fn default() -> Self {
        let mut counts = Counts::new();
        for (service, operation) in ALWAYS_SHOWN {
            counts.entry(service).or_default().insert(operation, 0);
        }
        Self(Arc::new(Mutex::new(counts)))
    }
}

impl Counters {
    /// Counts one more `operation` of `service`.
    pub fn add(&self, service: Service, operation: &'static str) {
        self.add_many(service, operation, 1);
    }

    /// Counts `n` more of `operation` of `service`.
    pub fn add_many(&self, service: Service, operation: &'static str, n: u64) {
        *self
            .lock()
            .entry(service)
            .or_default()
            .entry(operation)
            .or_default() += n;
    }

    /// How often `service` did `operation`; zero for one never counted.
    pub fn get(&self, service: Service, operation: &str) -> u64 {
        self.lock()
            .get(&service)
            .and_then(|counts| counts.get(operation))
            .copied()
            .unwrap_or_default()
    }

    /// All counts of `service`, in the order of their names.
    pub fn of(&self, service: Service) -> BTreeMap<&'static str, u64> {
        self.lock().get(&service).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
