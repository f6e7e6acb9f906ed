//! Records what the fleet did, and looks at the queue for lost jobs.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::queue::{QueueError, Queues};
use atelier_domain::heartbeat::SILENCE;
use atelier_domain::history::{Depths, History, LAG, WINDOW};
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::lost_queue::LostQueue;

/// Finished documents in one query.
const PAGE: u32 = 2_000;

/// The longest that one sample may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why a sample is incomplete.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SampleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The loop that samples.
#[derive(Debug)]
pub struct HistoryRecorder {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queues: Queues,
    pub(crate) history: Arc<History>,
    pub(crate) interval: Duration,
    pub(crate) stop: CancellationToken,
}

impl HistoryRecorder {
    /// Samples until the process stops; the first sample reads what happened before it started.
    pub async fn run(self) {
        let started = Timestamp::now();
        let mut read_to = started - WINDOW;
        let mut lost_queue = LostQueue::new(self.store.clone(), started, self.stop.clone());
        loop {
            let sample = async {
                let read = self.read_finished(&mut read_to).await;
                let watched = self.watch_queues(&mut lost_queue).await;
                read.and(watched)
            };
            match tokio::time::timeout(TIMEOUT, sample).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a sample of the fleet is incomplete"),
                Err(_) => tracing::warn!("a sample of the fleet took too long"),
            }
            self.history.drop_before(Timestamp::now() - WINDOW);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
        }
    }

    async fn read_finished(&self, read_to: &mut Timestamp) -> Result<(), SampleError> {
        let now = Timestamp::now();
        let to = now - LAG;
        loop {
            let finished = self.store.finished_between(*read_to, to, PAGE).await?;
            for document in &finished {
                self.history.record_finished(document);
            }
            match finished.last().and_then(|it| it.finished_at) {
                Some(last) if finished.len() >= PAGE as usize => *read_to = last,
                _ => break,
            }
        }
        *read_to = to;
        let heartbeats = self.store.heartbeats(now - SILENCE).await?;
        self.history.record_heartbeats(now, &heartbeats);
        Ok(())
    }

    async fn watch_queues(&self, lost_queue: &mut LostQueue) -> Result<(), SampleError> {
        let jobs = self.queues.jobs.depth().await?;
        let dead_letters = self.queues.dead_letters.depth().await?;
        let depths = Depths {
            visible: jobs.visible,
            in_flight: jobs.in_flight,
            delayed: jobs.delayed,
            dead_letters: dead_letters.total(),
        };
        self.history.record_depths(Timestamp::now(), depths);
        lost_queue.sample(&jobs).await?;
        Ok(())
    }
}
