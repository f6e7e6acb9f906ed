//! Tells the store every few seconds that this worker is there, and what it does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use atelier_domain::heartbeat::{Heartbeat, MAX_HOST_CHARACTERS, shortened};
use atelier_domain::timestamp::Timestamp;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::worker::Worker;

const EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(worker: Arc<Worker>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        last(&worker).await;
    }
}

/// One heartbeat; nobody waits for it long, and what goes wrong is only logged.
pub(crate) async fn last(worker: &Worker) {
    match timeout(EVERY, worker.store.record_heartbeat(&of(worker))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "no heartbeat"),
        Err(_) => tracing::debug!("no heartbeat: the store did not answer"),
    }
}

fn of(worker: &Worker) -> Heartbeat {
    let counts = &worker.counts;
    Heartbeat {
        worker: worker.name.clone(),
        started_at: worker.started_at,
        at: Timestamp::now(),
        slots: worker.config.worker.slots,
        slots_in_use: worker.concurrency.in_use(),
        paused: worker.concurrency.is_paused(),
        throttles: counts.throttles.load(Ordering::Relaxed),
        model_calls: counts.model_calls.load(Ordering::Relaxed),
        jobs_finished: counts.finished.load(Ordering::Relaxed),
        resident_bytes: resident_bytes().unwrap_or(0),
        host: shortened(&host(), MAX_HOST_CHARACTERS),
        limit: Some(worker.concurrency.limit()),
        fleet_paused: worker.is_fleet_paused(),
        outages: worker.concurrency.outages(),
        models: worker.models.loads(),
    }
}

/// As Linux tells it: the machine's name, in a container the container's, in Kubernetes the pod's.
fn host() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    host.trim().to_owned()
}

/// As Linux tells it: `VmRSS:     12345 kB`.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
