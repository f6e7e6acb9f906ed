//! The end of an attempt: the last write on the document, then the message.

use std::sync::atomic::Ordering;
use std::time::Duration;

use atelier_cloud::clean_up;
use atelier_cloud::queue::{Message, QueueError};
use atelier_domain::assignment::{Assignment, Status};
use atelier_domain::budget::Day;
use atelier_domain::failure::Failure;
use atelier_domain::job::UnreadableJob;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Budget, Transition};
use atelier_runtime::telemetry::events::{Alert, JobFailed, JobSucceeded};
use atelier_runtime::telemetry::metrics;

use crate::attempt::{Attempt, Stored};
use crate::breaker::Verdict;
use crate::error::JobError;
use crate::lease::{self, Written};
use crate::renditions::{Due, Renditions};
use crate::worker::Worker;

/// The longest backoff between two attempts at a job.
const MAX_BACKOFF: Duration = Duration::from_secs(300);

/// How long a throttled job waits in the queue, at most.
const THROTTLE_BACKOFF: Duration = Duration::from_secs(15);

/// How long a job waits that was released because of an outage.
const OUTAGE_BACKOFF: Duration = Duration::from_secs(2);

/// How long a job waits for which no money is left, at most.
const BUDGET_BACKOFF: Duration = Duration::from_secs(300);

/// Jobs that wait for the next day come within this time after its start.
const BUDGET_SPREAD: Duration = Duration::from_secs(10);

/// The keeper tags again this long after a tagging that failed.
const TAG_AGAIN: Duration = Duration::from_secs(30);

/// Settles an attempt. Returns what is to be made of its picture then.
pub(crate) async fn settle(
    attempt: &Attempt<'_>,
    outcome: Result<Stored, JobError>,
) -> Option<Renditions> {
    attempt.lease.stop_renewing();
    match outcome {
        Ok(stored) => succeed(attempt, stored).await,
        Err(error) => {
            end(attempt, error).await;
            None
        }
    }
}

/// The end of an attempt without a picture.
async fn end(attempt: &Attempt<'_>, error: JobError) {
    let (worker, assignment) = (attempt.worker, attempt.assignment);
    let verdict = worker.concurrency.failed(&assignment.assignment_id, &error);
    match error {
        JobError::Permanent { failure, cause } => fail(attempt, failure, &cause).await,
        // It was paused before: nothing new is learned by failing this job too.
        JobError::Retryable { cause, .. } | JobError::Outage { cause, .. }
            if verdict == (Verdict::Outage { opened: false }) =>
        {
            outage(attempt, &cause).await
        }
        JobError::Outage { failure, cause, .. } => fail(attempt, failure, &cause).await,
        JobError::Retryable { failure, cause, .. } => retry(attempt, failure, &cause).await,
        JobError::Panicked(cause) => {
            tracing::error!(cause, "a panic ended the attempt");
            retry(attempt, Failure::Unforeseen, &cause).await;
        }
        JobError::Throttled(cause) => {
            let wait = THROTTLE_BACKOFF.mul_f64(0.3 + 0.7 * fastrand::f64());
            give_back(attempt, Budget::GiveBack, wait, "throttled", &cause).await;
        }
        JobError::UsedUp(cause) => wait_for_budget(attempt, &cause).await,
        JobError::Paused => outage(attempt, &error.to_string()).await,
        JobError::Stopping | JobError::Isolated => {
            let why = match error {
                JobError::Stopping => "stopping",
                _ => "isolated",
            };
            let cause = error.to_string();
            give_back(attempt, Budget::GiveBack, Duration::ZERO, why, &cause).await;
        }
        JobError::StoreAway(_) => {
            tracing::warn!(%error, "left until the store answers, or its claim expires");
            forsake(attempt);
        }
        JobError::ClaimLost(_) => tracing::warn!(%error, "left to whoever holds it"),
    }
}

/// The attempt counts; after the last one the assignment fails.
async fn retry(attempt: &Attempt<'_>, failure: Failure, cause: &str) {
    let (job, attempts) = (&attempt.worker.config.job, attempt.assignment.attempts);
    if attempts >= job.max_attempts {
        fail(attempt, failure, cause).await;
    } else {
        let wait = backoff(job.retry, attempts);
        give_back(attempt, Budget::Burn, wait, "retry", cause).await;
    }
}

/// The attempt does not count.
async fn outage(attempt: &Attempt<'_>, cause: &str) {
    let wait = jittered(OUTAGE_BACKOFF);
    give_back(attempt, Budget::GiveBack, wait, "outage", cause).await;
}

/// `pending` -> `success`, then what could not be done before: the tag.
async fn succeed(attempt: &Attempt<'_>, mut stored: Stored) -> Option<Renditions> {
    let Attempt {
        worker,
        assignment,
        message,
        ..
    } = *attempt;
    let now = Timestamp::now();
    let wanted = worker.optimizer.makes_renditions(&stored.finished.metadata);
    let due = wanted.then(|| stored.source.due(worker, attempt.lease.token(), now));
    match finish(attempt, &stored, due.as_ref(), now).await {
        Ok(Written::Done(after)) => {
            JobSucceeded {
                assignment_id: &assignment.assignment_id,
                how: stored.how,
                duration: attempt.started.elapsed(),
            }
            .emit();
            worker.finished();
            if after.tag_due {
                tag(worker, &after).await;
            }
            delete(worker, message).await;
            let claim = due.and_then(|due| due.claim);
            return claim.and_then(|claim| stored.source.renditions(after, claim));
        }
        Ok(Written::Fenced(Some(now))) if now.s3_upload_status == Status::Deleted => {
            erase(attempt, stored.version.as_deref()).await;
            delete(worker, message).await;
        }
        // A lost answer to this very write, or another worker that got here first.
        Ok(Written::Fenced(Some(now))) if is_final(&now, assignment) => {
            delete(worker, message).await
        }
        Ok(Written::Fenced(_)) => {
            tracing::warn!("the picture is stored, but the claim was taken over")
        }
        Err(error) => {
            tracing::warn!(%error, "the picture is stored; whoever claims next adopts it")
        }
    }
    None
}

/// Writes the success. Where the object's tag may not say what `permanent` says, that is noted in
/// the same write: whatever happens next, the sweep knows.
async fn finish(
    attempt: &Attempt<'_>,
    stored: &Stored,
    due: Option<&Due>,
    now: Timestamp,
) -> Result<Written, JobError> {
    let (lease, held, finished) = (attempt.lease, attempt.assignment, &stored.finished);
    let with_due = |succeed: Transition| match due {
        Some(due) => succeed.with_renditions_due(due.claim.as_ref(), due.wake_at),
        None => succeed,
    };
    if let Some(tagged) = stored.tagged {
        let succeed =
            transition::succeed(lease.token(), held, finished, now).if_permanent_is(tagged);
        match lease.write(&with_due(succeed)).await {
            // It was changed while the picture was made.
            Ok(Written::Fenced(Some(now))) if lease.holds(&now) => {}
            written => return written,
        }
    }
    let succeed = transition::succeed_tag_due(lease.token(), held, finished, now, now + TAG_AGAIN);
    lease.write(&with_due(succeed)).await
}

/// `pending` -> `failed`.
async fn fail(attempt: &Attempt<'_>, failure: Failure, cause: &str) {
    let Attempt {
        worker,
        assignment,
        message,
        ..
    } = *attempt;
    let correlation_id = attempt.correlation_id();
    let puts = attempt.puts.load(Ordering::Relaxed);
    let note = failure.note(correlation_id);
    let token = attempt.lease.token();
    let fail = transition::fail(token, assignment, &note, puts, Timestamp::now());
    match attempt.lease.write(&fail).await {
        Ok(Written::Done(_)) => {
            JobFailed {
                failure,
                assignment_id: &assignment.assignment_id,
                correlation_id,
                cause,
            }
            .emit();
            worker.finished();
            delete(worker, message).await;
        }
        Ok(Written::Fenced(Some(now))) if is_final(&now, assignment) => {
            delete(worker, message).await
        }
        Ok(Written::Fenced(_)) => tracing::warn!(cause, "not failed: the claim was taken over"),
        Err(error) => {
            tracing::warn!(%error, cause, "not failed: left until its claim expires")
        }
    }
}

/// The attempt does not count. What is given back by others, or a larger budget, is found soon; the
/// next day at once.
async fn wait_for_budget(attempt: &Attempt<'_>, cause: &str) {
    let (now, assignment) = (Timestamp::now(), attempt.assignment);
    let tomorrow = Day::of(now).end().since(now) + BUDGET_SPREAD.mul_f64(fastrand::f64());
    let wait = jittered(BUDGET_BACKOFF).min(tomorrow);
    let wait = assignment
        .give_up_at
        .map_or(wait, |at| wait.min(at.since(now)));
    let (token, puts) = (attempt.lease.token(), attempt.puts.load(Ordering::Relaxed));
    let release = transition::wait_for_budget(token, assignment, puts, attempt.wake_at());
    hand_back(attempt, &release, wait, "budget", cause).await;
}

/// Releases claim and message; the job is visible again after `wait`.
async fn give_back(
    attempt: &Attempt<'_>,
    budget: Budget,
    wait: Duration,
    why: &'static str,
    cause: &str,
) {
    let (token, puts) = (attempt.lease.token(), attempt.puts.load(Ordering::Relaxed));
    let wake_at = attempt.wake_at();
    let release = transition::release(token, attempt.assignment, budget, puts, wake_at);
    hand_back(attempt, &release, wait, why, cause).await;
}

async fn hand_back(
    attempt: &Attempt<'_>,
    release: &Transition,
    wait: Duration,
    why: &'static str,
    cause: &str,
) {
    let Attempt {
        worker, message, ..
    } = *attempt;
    match attempt.lease.write(release).await {
        Ok(Written::Done(_)) => {
            tracing::info!(why, cause, wait_ms = wait.as_millis() as u64, "given back");
            metrics::get().job("released", why);
            later(worker, message, wait).await;
        }
        Ok(Written::Fenced(_)) => later(worker, message, wait).await,
        Err(error) => tracing::warn!(%error, "not given back: left until its claim expires"),
    }
}

/// Nothing can be written now: an outage of the store burns no attempt, so it is given back later.
fn forsake(attempt: &Attempt<'_>) {
    let (token, held) = (attempt.lease.token().clone(), attempt.assignment.clone());
    let puts = attempt.puts.load(Ordering::Relaxed);
    lease::give_back_once_answered(attempt.worker, token, held, puts);
}

/// Sets the picture's tag to what the document says. What fails here is left to the keeper.
async fn tag(worker: &Worker, assignment: &Assignment) {
    match clean_up::tag(&worker.pictures, assignment).await {
        Err(error) => tracing::warn!(%error, "the picture was not tagged; the keeper will"),
        Ok(tagged) => {
            let id = &assignment.assignment_id;
            if let Err(error) = worker.store.apply(id, &tagged).await {
                tracing::warn!(%error, "the tagging was not noted; the keeper tags again");
            }
        }
    }
}

/// The assignment was deleted while its picture was being stored: that version must go.
async fn erase(attempt: &Attempt<'_>, version: Option<&str>) {
    let pictures = &attempt.worker.pictures;
    if let Err(error) = clean_up::erase_late_put(pictures, attempt.assignment, version).await {
        tracing::warn!(%error, "a deleted assignment's picture was not erased; the keeper will");
    }
}

fn is_final(now: &Assignment, then: &Assignment) -> bool {
    now.s3_upload_status != Status::Pending || now.round > then.round
}

/// Exponential in the attempts made, with jitter.
pub(crate) fn backoff(first: Duration, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    jittered((first * 2u32.pow(doublings)).min(MAX_BACKOFF))
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + 0.5 * fastrand::f64())
}

/// Nothing is left to do for this message.
pub(crate) async fn delete(worker: &Worker, message: &Message) {
    log(
        worker.queues.jobs.delete(&message.receipt).await,
        "a message was not deleted; it is delivered again and found settled",
    );
}

/// Makes the message visible again after `wait`.
pub(crate) async fn later(worker: &Worker, message: &Message, wait: Duration) {
    log(
        worker
            .queues
            .jobs
            .change_visibility(&message.receipt, wait)
            .await,
        "a message is visible again after its timeout",
    );
}

/// No worker can read this message: an operator has to.
pub(crate) async fn unreadable(worker: &Worker, message: &Message, error: &UnreadableJob) {
    dead_letter(
        worker,
        message,
        &format!("the message cannot be read: {error}"),
    )
    .await;
}

/// A job of no assignment.
pub(crate) async fn unknown(worker: &Worker, message: &Message) {
    dead_letter(worker, message, "there is no such assignment").await;
}

async fn dead_letter(worker: &Worker, message: &Message, cause: &str) {
    Alert {
        failure: Failure::DeadLetter,
        assignment_id: "-",
        correlation_id: &message.context.correlation_id,
        cause,
    }
    .emit();
    log(
        worker.queues.dead_letter(message).await,
        "a message was not moved to the dead letters; it comes again",
    );
}

/// The document cannot be read, or the store did not say whether the claim was made.
pub(crate) async fn unclaimed(worker: &Worker, message: &Message, id: &str, error: &JobError) {
    if let JobError::Permanent { cause, .. } = error {
        return dead_letter(worker, message, cause).await;
    }
    tracing::warn!(%error, "not claimed");
    worker.concurrency.failed(id, error);
    later(worker, message, jittered(OUTAGE_BACKOFF)).await;
}

fn log(outcome: Result<(), QueueError>, meaning: &'static str) {
    match outcome {
        Ok(()) => {}
        // The message was delivered again: that delivery settles it.
        Err(error @ QueueError::StaleReceipt(_)) => tracing::debug!(%error, "{meaning}"),
        Err(error) => tracing::warn!(%error, "{meaning}"),
    }
}
