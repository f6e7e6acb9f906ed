//! The sweep: what is due is sent again, given up, erased or tagged, or gets its renditions.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::clean_up;
use atelier_cloud::error::CloudError;
use atelier_cloud::queue::QueueError;
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::failure::Failure;
use atelier_domain::rendition::MAX_RENDITION_SENDS;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition;
use atelier_runtime::config::JobConfig;
use atelier_runtime::liveness::Liveness;
use atelier_runtime::telemetry::metrics;
use atelier_store::{Store, StoreError};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::fail::fail_unclaimed;

/// Documents in one query.
const PAGE: u32 = 200;

/// Documents that are worked on at a time.
const CONCURRENCY: usize = 16;

/// For how long other sweeps leave a document alone that this one has taken.
const HOLD: Duration = Duration::from_secs(60);

/// The longest that one document may take; the bucket's own limit is shorter.
const TIMEOUT: Duration = Duration::from_secs(45);

/// The longest wait after a round that failed.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Why a document stays as it is for now.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the job was not sent: {0}")]
    Queue(#[from] QueueError),
    #[error(transparent)]
    CleanUp(#[from] CloudError),
    #[error("it took longer than {TIMEOUT:?}")]
    TimedOut,
}

/// The loop over documents whose `wake_at` is past.
#[derive(Debug)]
pub struct Sweep {
    pub(crate) services: crate::Services,
    pub(crate) job: JobConfig,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) stop: CancellationToken,
}

impl Sweep {
    /// Sweeps until the process stops.
    pub async fn run(self) {
        let interval = self.job.sweep.interval;
        let mut backoff = interval;
        loop {
            self.liveness.beat();
            backoff = match self.round().await {
                Ok(()) => interval,
                Err(error) => {
                    tracing::warn!(%error, "the sweep goes on later");
                    (backoff * 2).min(MAX_BACKOFF).max(interval)
                }
            };
            // Jitter keeps the sweeps of several processes apart.
            let wait = backoff.mul_f64(0.75 + fastrand::f64() / 2.0);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn store(&self) -> &dyn Store {
        self.services.store.as_ref()
    }

    /// Works off what is due, page by page. The first failure is returned in the end; it does not
    /// stop the other documents.
    async fn round(&self) -> Result<(), SweepError> {
        let mut outcome = Ok(());
        while !self.stop.is_cancelled() {
            let due = timeout(TIMEOUT, self.store().due(Timestamp::now(), PAGE))
                .await
                .map_err(|_| SweepError::TimedOut)??;
            let full_page = due.len() >= PAGE as usize;
            let mut results = futures_util::stream::iter(due)
                .map(|document| self.attend(document))
                .buffer_unordered(CONCURRENCY);
            while let Some(result) = results.next().await {
                self.liveness.beat();
                if outcome.is_ok() {
                    outcome = result;
                }
            }
            if !full_page || outcome.is_err() {
                break;
            }
        }
        outcome
    }

    async fn attend(&self, document: Assignment) -> Result<(), SweepError> {
        let id = &document.assignment_id;
        let span = tracing::info_span!(
            "sweep",
            assignment = id,
            correlation_id = document.correlation_id
        );
        let swept = async {
            let result = timeout(TIMEOUT, self.take(&document)).await;
            let result = result.unwrap_or(Err(SweepError::TimedOut));
            result.inspect_err(|error| tracing::debug!(%error, "not swept yet"))
        };
        swept.instrument(span).await
    }

    async fn take(&self, document: &Assignment) -> Result<(), SweepError> {
        let now = Timestamp::now();
        let Some(take) = transition::take_due(document, now, HOLD) else {
            return Ok(());
        };
        let id = &document.assignment_id;
        // Another sweep was faster, or it is no longer due.
        let Some(taken) = self.store().apply(id, &take).await? else {
            return Ok(());
        };
        match taken.s3_upload_status {
            Status::Deleted => self.erase(&taken).await,
            Status::Pending if taken.is_claimed(now) => Ok(()),
            Status::Pending if taken.give_up_at.is_some_and(|at| at <= now) => {
                let cause = "still pending at give_up_at";
                let failure = Failure::of_giving_up(&taken);
                fail_unclaimed(self.store(), &taken, failure, cause, now).await?;
                Ok(())
            }
            Status::Pending => self.resend(&taken).await,
            Status::Success if taken.renditions_due => self.renditions(&taken, now).await,
            Status::Success => self.tag(&taken).await,
            Status::Failed | Status::NoImage => Ok(()),
        }
    }

    async fn erase(&self, tombstone: &Assignment) -> Result<(), SweepError> {
        // A link may have been made while the assignment was deleted.
        let shares = self.store().shares();
        shares.erase(&tombstone.assignment_id).await?;
        let (pictures, cdn) = (&self.services.pictures, &self.services.cdn);
        let erased = clean_up::erase(pictures, cdn, tombstone).await?;
        self.store()
            .apply(&tombstone.assignment_id, &erased)
            .await?;
        tracing::info!("erased");
        Ok(())
    }

    async fn resend(&self, document: &Assignment) -> Result<(), SweepError> {
        let jobs = &self.services.queues.jobs;
        let sent = jobs.send_job_of(document, &self.job).await?;
        self.store().apply(&document.assignment_id, &sent).await?;
        tracing::info!(round = document.round, "sent again");
        Ok(())
    }

    /// Has a worker make the variants and AVIFs that are missing, unless one is at it.
    async fn renditions(&self, taken: &Assignment, now: Timestamp) -> Result<(), SweepError> {
        if taken.tag_due {
            self.tag(taken).await?;
        }
        let id = &taken.assignment_id;
        if taken.is_claimed(now) {
            return Ok(());
        }
        let Some(seen) = self.store().get(id).await?.filter(|it| it.renditions_due) else {
            return Ok(());
        };
        if seen.rendition_sends >= MAX_RENDITION_SENDS {
            let give_up = transition::give_up_renditions(&seen, now);
            if self.store().apply(id, &give_up).await?.is_some() {
                metrics::get().renditions("given_up");
                let sends = seen.rendition_sends;
                tracing::error!(sends, "variants or AVIFs are missing, and are given up");
            }
            return Ok(());
        }
        // The last write before the message, whose worker claims what it sees.
        let wake_at = self.job.wake_at_after_send(now, None);
        let send = transition::send_renditions(&seen, now, wake_at);
        let Some(counted) = self.store().apply(id, &send).await? else {
            return Ok(());
        };
        // Its note is for what is pending.
        let jobs = &self.services.queues.jobs;
        jobs.send_job_of(&counted, &self.job).await?;
        tracing::info!(sends = counted.rendition_sends, "sent for renditions");
        Ok(())
    }

    async fn tag(&self, document: &Assignment) -> Result<(), SweepError> {
        let tagged = clean_up::tag(&self.services.pictures, document).await?;
        self.store().apply(&document.assignment_id, &tagged).await?;
        tracing::info!(permanent = document.permanent, "tagged");
        Ok(())
    }
}
