//! Measures once a second how fast the fleet finishes jobs.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::queue::Queue;
use atelier_domain::heartbeat::SILENCE;
use atelier_domain::history::History;
use atelier_domain::throughput::{Measured, Throughput};
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::liveness::Liveness;
use atelier_runtime::telemetry::metrics;
use atelier_store::{Store, StoreError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Finished jobs are counted over the last minute.
const WINDOW: Duration = Duration::from_secs(60);

/// More jobs than any fleet finishes in the window.
const MAX_FINISHED: u32 = 100_000;

/// Between two measurements.
const INTERVAL: Duration = Duration::from_secs(1);

/// The longest that one measurement may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The loop that measures.
#[derive(Debug)]
pub struct ThroughputMeter {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) jobs: Queue,
    pub(crate) throughput: Arc<Throughput>,
    pub(crate) history: Arc<History>,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) stop: CancellationToken,
}

impl ThroughputMeter {
    /// Measures until the process stops.
    pub async fn run(self) {
        loop {
            self.liveness.beat();
            match timeout(TIMEOUT, self.measure()).await {
                Ok(Ok(measured)) => self.throughput.set(measured),
                Ok(Err(error)) => tracing::debug!(%error, "the throughput was not measured"),
                Err(_) => tracing::debug!("the throughput was not measured in time"),
            }
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// The slots of the workers that live.
    async fn slots(&self, now: Timestamp) -> Result<u32, StoreError> {
        let workers = self.store.heartbeats(now - SILENCE).await?;
        Ok(workers.iter().map(|worker| worker.slots).sum())
    }

    /// How long the pause that holds now goes on, if there is one.
    async fn paused_seconds(&self, now: Timestamp) -> Result<f64, StoreError> {
        let pause = self.store.pause().await?.filter(|pause| pause.holds(now));
        Ok(pause.map_or(0.0, |pause| match pause.until {
            Some(until) => until.since(now).as_secs_f64(),
            None => f64::INFINITY,
        }))
    }

    fn capacity(&self, slots: u32) -> Option<f64> {
        let seconds = self.history.mean_job_seconds()?;
        (slots > 0 && seconds > 0.0).then(|| f64::from(slots) / seconds)
    }

    /// The fleet had work all the time since the oldest pending assignment was posted: only that
    /// time tells how fast it is. An idle time before it would make it look slower.
    async fn measure(&self) -> Result<Measured, StoreError> {
        let now = Timestamp::now();
        let oldest_pending = self.store.oldest_pending(1).await?.first().copied();
        metrics::get().oldest_pending(oldest_pending.map_or(Duration::ZERO, |at| now.since(at)));
        let minute = now - WINDOW;
        let busy_since = match oldest_pending {
            Some(oldest) if oldest > minute => oldest,
            _ => minute,
        };
        let rate = async |since: Timestamp| {
            let finished = self.store.finished_since(since, MAX_FINISHED).await?;
            let seconds = now.since(since).as_secs_f64().max(1.0);
            Ok::<_, StoreError>((finished > 0).then(|| f64::from(finished) / seconds))
        };
        let mut jobs_per_second = rate(busy_since).await?;
        if jobs_per_second.is_none() && busy_since > minute {
            jobs_per_second = rate(minute).await?;
        }
        let queued = match oldest_pending {
            None => 0,
            Some(_) => match self.jobs.depth().await {
                Ok(depth) => depth.total(),
                Err(_) => self.throughput.latest().queued,
            },
        };
        let slots = self.slots(now).await?;
        // After a quiet quarter of an hour the last ones still say how long the model takes.
        let known = self.throughput.latest().making_seconds;
        Ok(Measured {
            jobs_per_second,
            capacity_per_second: self.capacity(slots),
            queued,
            oldest_pending,
            slots,
            making_seconds: self.history.making_seconds().or(known),
            paused_seconds: self.paused_seconds(now).await?,
        })
    }
}
