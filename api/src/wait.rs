//! Holds answers until an assignment is no longer pending: one query at an interval for all.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use atelier_domain::assignment::Status;
use atelier_store::Store;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

/// The longest that an answer is held, in seconds.
pub(crate) const MAX_WAIT_SECONDS: u32 = 20;

/// Between two queries.
const INTERVAL: Duration = Duration::from_millis(150);

/// Assignments in one query at most.
const CHUNK: usize = 1_000;

/// The longest that one query may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The requests that wait.
#[derive(Debug)]
pub(crate) struct Waiters {
    store: Arc<dyn Store>,
    max: usize,
    stop: CancellationToken,
    waiting: Mutex<Waiting>,
    /// Notified when a request begins to wait.
    arrival: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    by_number: HashMap<u64, Waiter>,
}

#[derive(Debug)]
struct Waiter {
    ids: Vec<String>,
    done: oneshot::Sender<()>,
}

/// Removes its waiter when it is dropped.
struct Place<'a> {
    waiters: &'a Waiters,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiters.lock().by_number.remove(&self.number);
    }
}

impl Waiters {
    /// Nobody waits yet. At most `max` wait at a time, for changes in `store`, until `stop`.
    pub(crate) fn new(store: Arc<dyn Store>, max: usize, stop: CancellationToken) -> Self {
        Self {
            store,
            max,
            stop,
            waiting: Mutex::default(),
            arrival: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no panic while held")
    }

    fn arrive(&self, ids: Vec<String>) -> Option<(Place<'_>, oneshot::Receiver<()>)> {
        let (done, settled) = oneshot::channel();
        let mut waiting = self.lock();
        if waiting.by_number.len() >= self.max {
            return None;
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_number.insert(number, Waiter { ids, done });
        drop(waiting);
        self.arrival.notify_one();
        let place = Place {
            waiters: self,
            number,
        };
        Some((place, settled))
    }

    fn ids(&self) -> Vec<String> {
        let waiting = self.lock();
        let ids: HashSet<&String> = waiting.by_number.values().flat_map(|it| &it.ids).collect();
        ids.into_iter().cloned().collect()
    }

    /// Wakes those who wait for one of `ids` that is not `pending`.
    fn settle(&self, ids: &[String], pending: &HashSet<&String>) {
        let settled: HashSet<&String> = ids.iter().filter(|id| !pending.contains(id)).collect();
        let mut waiting = self.lock();
        let numbers: Vec<u64> = waiting
            .by_number
            .iter()
            .filter(|(_, waiter)| waiter.ids.iter().any(|id| settled.contains(id)))
            .map(|(number, _)| *number)
            .collect();
        for number in numbers {
            if let Some(waiter) = waiting.by_number.remove(&number) {
                // It may have given up waiting at this moment.
                let _ = waiter.done.send(());
            }
        }
    }

    /// Returns when one of `ids` is no longer pending, `wait` is over, or the process drains; at once
    /// while too many others wait.
    pub(crate) async fn wait_for(&self, ids: Vec<String>, wait: Duration) {
        let Some((_place, settled)) = self.arrive(ids) else {
            return;
        };
        tokio::select! {
            _ = settled => {}
            () = tokio::time::sleep(wait) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Looks for those who wait until the process drains; queries nothing while nobody waits.
    pub(crate) async fn run(&self) {
        while !self.stop.is_cancelled() {
            let ids = self.ids();
            if ids.is_empty() {
                tokio::select! {
                    () = self.stop.cancelled() => return,
                    () = self.arrival.notified() => {}
                }
            } else {
                for ids in ids.chunks(CHUNK) {
                    if !self.look(ids).await {
                        break;
                    }
                }
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Wakes those who wait for one of `ids` that is settled. Returns whether the store answered.
    async fn look(&self, ids: &[String]) -> bool {
        let answer = tokio::time::timeout(TIMEOUT, self.store.statuses(ids)).await;
        match &answer {
            Ok(Ok(statuses)) => {
                let pending = statuses
                    .iter()
                    .filter(|(_, status)| *status == Status::Pending)
                    .map(|(id, _)| id)
                    .collect();
                self.settle(ids, &pending);
            }
            // Those who wait are answered when their time is over.
            Ok(Err(error)) => tracing::debug!(%error, "waiting requests were not looked up"),
            Err(_) => tracing::debug!("waiting requests were not looked up in time"),
        }
        matches!(answer, Ok(Ok(_)))
    }
}
