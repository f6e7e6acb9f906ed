//! Puts a picture under its key once: put if absent, adopt what is ours, replace what is not. While
//! the bucket refuses it, the picture is kept, and its upload is the probe.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atelier_cloud::error::CloudError;
use atelier_cloud::pictures::{Condition, Found, key};
use atelier_domain::assignment::Assignment;
use atelier_domain::failure::Failure;
use atelier_domain::label::Label;
use atelier_domain::timestamp::Timestamp;
use atelier_runtime::telemetry::events::Alert;
use tokio::time::{sleep, timeout};

use crate::attempt::Attempt;
use crate::breaker::{Service, Verdict};
use crate::error::{Fault, JobError};
use crate::optimize::Ready;
use crate::settle::backoff;
use crate::worker::Worker;

/// What lies under the key now.
#[derive(Debug)]
pub(crate) enum Uploaded {
    /// Our bytes, as this version.
    Stored(Option<String>),
    /// Another worker's picture of the same assignment and prompt: that one is adopted.
    Adopted(Box<Label>),
}

/// What lies under the assignment's key, if it is of its current prompt.
pub(crate) async fn find_ours(
    worker: &Worker,
    assignment: &Assignment,
) -> Result<Option<Label>, JobError> {
    let found = find(worker, assignment).await?;
    Ok(found
        .and_then(|found| found.label)
        .filter(|label| label.is_of(assignment)))
}

async fn find(worker: &Worker, assignment: &Assignment) -> Result<Option<Found>, JobError> {
    let key = key(&assignment.assignment_id);
    let found = worker.pictures.find(&key, assignment.into()).await;
    found.map_err(JobError::of_upload)
}

/// Stores `picture`. A picture that was paid for is tried again here, since another attempt would
/// buy another: as often as attempts are left where the fault is the job's own, until `give_up_at`
/// during an outage.
///
/// # Errors
/// [`JobError::Permanent`] where the bucket does not take it; others where the claim or the store
/// is lost.
pub(crate) async fn upload(
    attempt: &Attempt<'_>,
    picture: &Ready,
    label: &Label,
) -> Result<Uploaded, JobError> {
    let (worker, assignment) = (attempt.worker, attempt.assignment);
    let concurrency = &worker.concurrency;
    let job = &worker.config.job;
    let mut tries = assignment.attempts;
    let mut kept = None;
    let mut last = None;
    loop {
        let Some(turn) = until_given_up(assignment, concurrency.upload_turn()).await else {
            return Err(not_stored(last));
        };
        // What is refused where this works is refused for a reason of its own.
        let bucket_works = turn.is_some() && is_unexplained(&last) && probe(worker).await;
        let error = match put(attempt, picture, label).await {
            Ok(uploaded) => {
                concurrency.answered(Service::Bucket);
                return Ok(uploaded);
            }
            Err(error @ (JobError::Outage { .. } | JobError::Retryable { .. })) => error,
            Err(error) => return Err(error),
        };
        let verdict = match &error {
            JobError::Retryable { .. } if bucket_works => Verdict::Job,
            _ => concurrency.failed(&assignment.assignment_id, &error),
        };
        drop(turn);
        match verdict {
            Verdict::Outage { opened } => {
                if opened {
                    alert(attempt, &error);
                }
                kept.get_or_insert_with(|| concurrency.wait_with_picture());
                last = Some(error);
            }
            Verdict::Job if tries >= job.max_attempts => return Err(not_stored(Some(error))),
            Verdict::Job => {
                tracing::warn!(%error, "not stored; the picture is kept and tried again");
                last = Some(error);
                let wait = sleep(backoff(job.retry, tries));
                if until_given_up(assignment, wait).await.is_none() {
                    return Err(not_stored(last));
                }
                tries += 1;
            }
        }
    }
}

/// Finds out whether the bucket takes uploads; a failure lets the next probe wait longer.
pub(crate) async fn probe(worker: &Worker) -> bool {
    match worker.pictures.probe().await {
        Ok(()) => {
            worker.concurrency.answered(Service::Bucket);
            true
        }
        Err(error) => {
            tracing::warn!(%error, "the bucket takes no uploads");
            let concurrency = &worker.concurrency;
            concurrency.probe_failed(Service::Bucket, &error.to_string());
            false
        }
    }
}

/// Tries one put, under the condition that what lies under the key asks for.
async fn put(attempt: &Attempt<'_>, picture: &Ready, label: &Label) -> Result<Uploaded, JobError> {
    let (pictures, assignment) = (&attempt.worker.pictures, attempt.assignment);
    let mut condition = Condition::IfAbsent;
    let mut waits = [Duration::ZERO]
        .iter()
        .chain(&pictures.upload_policy().waits);
    loop {
        let mut tries = 0;
        let put = pictures.put(
            picture.bytes.clone(),
            picture.content_type,
            label,
            assignment.permanent,
            &condition,
            &mut tries,
        );
        let put = put.await;
        attempt.puts.fetch_add(tries, Ordering::Relaxed);
        let error = match put {
            Ok(version) => return Ok(Uploaded::Stored(version)),
            Err(error @ CloudError::PreconditionFailed(_)) => error,
            Err(error) => return Err(JobError::of_upload(error)),
        };
        condition = match find(attempt.worker, assignment).await? {
            None => Condition::IfAbsent,
            Some(Found {
                label: Some(label), ..
            }) if label.is_of(assignment) => return Ok(Uploaded::Adopted(Box::new(label))),
            Some(other) => {
                // Read after that HEAD: whoever wrote those bytes under a later claim than ours has
                // taken our claim before.
                still_ours(attempt).await?;
                Condition::IfMatch(other.etag)
            }
        };
        match waits.next() {
            Some(wait) => sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())).await,
            None => return Err(JobError::of_upload(error)),
        }
    }
}

async fn still_ours(attempt: &Attempt<'_>) -> Result<(), JobError> {
    let store = &attempt.worker.store;
    match store.get(&attempt.assignment.assignment_id).await? {
        Some(now) if attempt.lease.holds(&now) => Ok(()),
        _ => Err(JobError::ClaimLost(
            "it was taken over, or the assignment is final or gone",
        )),
    }
}

fn is_unexplained(error: &Option<JobError>) -> bool {
    matches!(
        error,
        Some(JobError::Retryable {
            fault: Fault::Refusal { .. },
            ..
        })
    )
}

/// `None` where `give_up_at` comes first.
async fn until_given_up<T>(assignment: &Assignment, work: impl Future<Output = T>) -> Option<T> {
    match assignment.give_up_at {
        Some(at) => timeout(at.since(Timestamp::now()), work).await.ok(),
        None => Some(work.await),
    }
}

/// The end of an upload that is not tried again.
fn not_stored(last: Option<JobError>) -> JobError {
    last.map_or_else(
        || JobError::Permanent {
            failure: Failure::StorageUnavailable,
            cause: "the bucket took no uploads until give_up_at".to_owned(),
        },
        JobError::permanent,
    )
}

/// The outage fails no assignment, so that no other line tells an operator.
fn alert(attempt: &Attempt<'_>, error: &JobError) {
    if let JobError::Outage { failure, cause, .. } | JobError::Retryable { failure, cause, .. } =
        error
    {
        Alert {
            failure: *failure,
            assignment_id: &attempt.assignment.assignment_id,
            correlation_id: attempt.correlation_id(),
            cause,
        }
        .emit();
    }
}
