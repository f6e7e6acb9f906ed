//! The sweep: what is due is sent again, given up, erased or tagged. Every API process sweeps.

mod dead_letters;
mod forgotten;

use std::sync::Arc;
use std::time::Duration;

use atelier_shared::assignment::{Assignment, Status};
use atelier_shared::failure::Failure;
use atelier_shared::store::StoreError;
use atelier_shared::telemetry::events::JobFailed;
use atelier_shared::timestamp::Timestamp;
use atelier_shared::transition;
use futures_util::StreamExt as _;
use tracing::Instrument as _;

use crate::app::App;
use crate::erase::MendError;
use crate::send::SendError;

pub use dead_letters::run as run_dead_letters;
pub use forgotten::Forgotten;

/// Documents that are looked at in one query.
const PAGE: u32 = 200;

/// Documents that are worked on at a time.
const AT_ONCE: usize = 16;

/// How long a document is another sweep's no business.
const HOLD: Duration = Duration::from_secs(60);

/// The longest that one document may take; the bucket's own limit is shorter.
const PATIENCE: Duration = Duration::from_secs(45);

/// The longest wait after a look that failed.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Why a document stays as it is for now.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Mend(#[from] MendError),
    #[error("it took longer than {PATIENCE:?}")]
    TooLong,
}

/// Sweeps until the process stops.
pub async fn run(app: Arc<App>) {
    let interval = app.config.job.sweep.interval;
    let mut backoff = interval;
    loop {
        app.pulse.beat_sweep();
        backoff = match look(&app).await {
            Ok(()) => interval,
            Err(error) => {
                tracing::warn!(%error, "the sweep goes on later");
                (backoff * 2).min(MAX_BACKOFF).max(interval)
            }
        };
        // A little apart from the other processes' sweeps.
        let wait = backoff.mul_f64(0.75 + fastrand::f64() / 2.0);
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Works off what is due, page by page. The first failure is returned in the end; it keeps nobody
/// else from being looked at.
async fn look(app: &App) -> Result<(), SweepError> {
    let mut outcome = Ok(());
    while !app.draining.is_cancelled() {
        let due = tokio::time::timeout(PATIENCE, app.store().due(Timestamp::now(), PAGE))
            .await
            .map_err(|_| SweepError::TooLong)??;
        let whole_page = due.len() >= PAGE as usize;
        let mut works = futures_util::stream::iter(due)
            .map(|document| attend(app, document))
            .buffer_unordered(AT_ONCE);
        while let Some(result) = works.next().await {
            app.pulse.beat_sweep();
            if outcome.is_ok() {
                outcome = result;
            }
        }
        if !whole_page || outcome.is_err() {
            break;
        }
    }
    outcome
}

async fn attend(app: &App, document: Assignment) -> Result<(), SweepError> {
    let id = document.assignment_id.clone();
    let span = tracing::info_span!(
        "sweep",
        assignment = id,
        correlation_id = document.correlation_id
    );
    let result = tokio::time::timeout(PATIENCE, take(app, &document))
        .instrument(span)
        .await
        .unwrap_or(Err(SweepError::TooLong));
    result.inspect_err(|error| tracing::debug!(assignment = id, %error, "not mended yet"))
}

async fn take(app: &App, document: &Assignment) -> Result<(), SweepError> {
    let now = Timestamp::now();
    let Some(take) = transition::take_due(document, now, HOLD) else {
        return Ok(());
    };
    // Another sweep was faster, or it is not due any more.
    let Some(taken) = app.store().apply(&document.assignment_id, &take).await? else {
        return Ok(());
    };
    match taken.s3_upload_status {
        Status::Deleted => {
            app.erase(&taken).await?;
            tracing::info!("erased");
        }
        Status::Pending if taken.is_claimed(now) => {}
        Status::Pending if taken.give_up_at.is_some_and(|at| at <= now) => {
            give_up(app, &taken, now).await?;
        }
        Status::Pending => {
            app.send(&taken).await?;
            tracing::info!(round = taken.round, "sent again");
        }
        Status::Success => {
            app.tag(&taken).await?;
            tracing::info!(permanent = taken.permanent, "tagged");
        }
        Status::Failed | Status::NoImage => {}
    }
    Ok(())
}

async fn give_up(app: &App, document: &Assignment, now: Timestamp) -> Result<(), StoreError> {
    let cause = "still pending when its time was over";
    fail(app, document, Failure::TooBusy, cause, now).await
}

/// Fails a pending assignment that no worker holds, of the round that `document` is in.
async fn fail(
    app: &App,
    document: &Assignment,
    failure: Failure,
    cause: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let note = failure.note(&document.correlation_id);
    let fail = transition::fail_unclaimed(document.round, &note, now);
    if app
        .store()
        .apply(&document.assignment_id, &fail)
        .await?
        .is_some()
    {
        JobFailed {
            failure,
            assignment_id: &document.assignment_id,
            correlation_id: &document.correlation_id,
            cause,
        }
        .emit();
    }
    Ok(())
}
