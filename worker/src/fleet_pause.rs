//! Watches for an operator's pause of the fleet.
//!
//! A store that does not answer changes nothing: a worker that is paused stays so until the pause
//! ends by itself, and one that is not takes jobs.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::worker::Worker;

/// A pause is seen this soon. A message that arrives before is a job like any other.
const EVERY: Duration = Duration::from_secs(2);

pub(crate) async fn run(worker: Arc<Worker>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look(&worker).await;
    }
}

/// Reads once whether the fleet is paused.
pub(crate) async fn look(worker: &Worker) {
    match timeout(EVERY, worker.store.pause()).await {
        Ok(Ok(pause)) => worker.concurrency.pause_fleet(pause),
        Ok(Err(error)) => tracing::debug!(%error, "whether the fleet is paused is not known"),
        Err(_) => tracing::debug!("whether the fleet is paused is not known: no answer"),
    }
}
