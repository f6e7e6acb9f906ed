//! Holds answers until an assignment is no longer pending: one query a tick for all who wait.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use atelier_shared::assignment::Status;
use tokio::sync::{Notify, oneshot};

use crate::app::App;

/// The longest that an answer is held, in seconds.
pub const MAX_WAIT_SECONDS: u32 = 20;

/// Between two queries.
const TICK: Duration = Duration::from_millis(150);

/// The longest that one query may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who waits.
#[derive(Debug, Default)]
pub struct Waiters {
    waiting: Mutex<Waiting>,
    /// Told when somebody begins to wait.
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

/// Takes its waiter off the list when it is dropped.
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
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nobody panics while holding it")
    }

    fn arrive(&self, ids: Vec<String>) -> (Place<'_>, oneshot::Receiver<()>) {
        let (done, settled) = oneshot::channel();
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_number.insert(number, Waiter { ids, done });
        drop(waiting);
        self.arrival.notify_one();
        let place = Place {
            waiters: self,
            number,
        };
        (place, settled)
    }

    fn ids(&self) -> Vec<String> {
        let waiting = self.lock();
        let ids: HashSet<&String> = waiting.by_number.values().flat_map(|it| &it.ids).collect();
        ids.into_iter().cloned().collect()
    }

    /// Tells those who wait for an id that is not in `pending`, of `asked` ids.
    fn settle(&self, asked: &[String], pending: &HashSet<String>) {
        let settled: HashSet<&String> = asked.iter().filter(|id| !pending.contains(*id)).collect();
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
}

impl App {
    /// Returns when one of `ids` is no longer pending, `wait` is over, or the process stops.
    pub async fn wait_for(&self, ids: Vec<String>, wait: Duration) {
        let (_place, settled) = self.waiters.arrive(ids);
        tokio::select! {
            _ = settled => {}
            () = tokio::time::sleep(wait) => {}
            () = self.draining.cancelled() => {}
        }
    }
}

/// Looks for those who wait, until the process stops; asks nothing while nobody waits.
pub async fn run(app: Arc<App>) {
    while !app.draining.is_cancelled() {
        let asked = app.waiters.ids();
        if asked.is_empty() {
            tokio::select! {
                () = app.draining.cancelled() => return,
                () = app.waiters.arrival.notified() => {}
            }
        } else {
            look(&app, &asked).await;
        }
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

async fn look(app: &App, asked: &[String]) {
    match tokio::time::timeout(PATIENCE, app.store().get_many(asked)).await {
        Ok(Ok(documents)) => {
            let pending = documents
                .into_iter()
                .filter(|document| document.s3_upload_status == Status::Pending)
                .map(|document| document.assignment_id)
                .collect();
            app.waiters.settle(asked, &pending);
        }
        // Those who wait are answered when their time is over.
        Ok(Err(error)) => tracing::debug!(%error, "the waiting were not looked up"),
        Err(_) => tracing::debug!("the waiting were not looked up in time"),
    }
}
