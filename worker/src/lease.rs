//! The lease on an assignment: claim, renew, write under its fence.
//!
//! A lease ends for its holder, by the holder's own monotonic clock, before it ends for the
//! others. Where the store refuses a write, or does not answer it, the document is read again and
//! what is there decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use atelier_cloud::queue::{Message, Queue, Receipt};
use atelier_domain::assignment::{Assignment, Claim, Status, Token};
use atelier_domain::job::Job;
use atelier_domain::timestamp::Timestamp;
use atelier_domain::transition::{self, Budget, Transition};
use atelier_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::error::{JobError, chain};
use crate::worker::Worker;

/// Share of the lease that its holder uses.
const OWN_SHARE: f64 = 0.9;

/// The keeper looks at a claimed assignment this long after the lease has expired.
pub(crate) const SWEEP_AFTER: Duration = Duration::from_secs(60);

/// Between two tries at a write that the store did not do; doubles up to the second.
const WRITE_AGAIN: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// How often a write is tried that a store does not do, though it reads the document: about 30 s.
const WRITE_TRIES: u32 = 10;

/// How often a claim is tried while the document says that it is free.
const CLAIM_TRIES: u32 = 5;

/// Waits between attempts to give back a claim that the store did not answer for: doubled from the
/// first to the last.
const GIVE_BACK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// The result of claiming the assignment of a job.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// It is ours.
    Mine(Lease, Box<Assignment>),
    /// It has its picture; what is made of that is due.
    RenditionsDue(Box<Assignment>),
    /// Another worker holds it for this long.
    Busy(Duration),
    /// It is final or gone, or this is a job of an older round.
    Over,
    /// There is no such assignment.
    Unknown,
}

/// A lease that is held and renewed until it is dropped, or lost.
#[derive(Debug)]
pub(crate) struct Lease {
    store: Arc<dyn Store>,
    assignment_id: String,
    claim: Claim,
    /// Calls to a model that the document counts.
    model_calls: AtomicU32,
    ends: watch::Receiver<Instant>,
    lost: CancellationToken,
    /// Whether the store was away at the last write.
    unanswered: Arc<AtomicBool>,
    renewal: AbortHandle,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// The result of a write with the fencing token.
#[derive(Debug)]
pub(crate) enum Written {
    /// It is done; the document after it.
    Done(Box<Assignment>),
    /// The guard refused it; the document as it is, if it exists.
    Fenced(Option<Box<Assignment>>),
}

/// Claims the assignment of `job`.
pub(crate) async fn claim(
    worker: &Worker,
    job: &Job,
    message: &Message,
) -> Result<Claimed, JobError> {
    let (store, id) = (&worker.store, &job.assignment_id);
    let length = worker.config.job.claim;
    let token = Token::random();
    for tries in 0..CLAIM_TRIES {
        wait_before(tries).await;
        let Some(seen) = store.get(id).await? else {
            return Ok(Claimed::Unknown);
        };
        if seen.renditions_due && seen.round == job.round {
            return Ok(Claimed::RenditionsDue(seen.into()));
        }
        if seen.s3_upload_status != Status::Pending || seen.round > job.round {
            return Ok(Claimed::Over);
        }
        if seen.round < job.round {
            // The store has not seen the retry that sent this job.
            return Ok(Claimed::Busy(length));
        }
        let (asked, now) = (Instant::now(), Timestamp::now());
        let claim = Claim {
            token: token.clone(),
            worker: worker.name.clone(),
            until: now + length,
        };
        let wake_at = claim.until + SWEEP_AFTER;
        let take = match &seen.claim {
            Some(other) if other.is_live(now) => {
                return Ok(Claimed::Busy(other.until.since(now)));
            }
            Some(other) => transition::take_over(&seen, &other.token, &claim, now, wake_at),
            None => transition::claim(&seen, &claim, wake_at),
        };
        match store.apply(id, &take.noting_sent(message.sent_at)).await {
            Ok(Some(assignment)) => {
                let lease = Lease::hold_from(worker, &assignment, claim, asked, &message.receipt);
                return Ok(Claimed::Mine(lease, Box::new(assignment)));
            }
            // Another worker was faster; what is there now decides.
            Ok(None) => {}
            Err(error) => {
                give_back_once_answered(worker, token, claimed(seen), 0);
                return Err(error.into());
            }
        }
    }
    Err(JobError::StoreAway(format!(
        "the claim was tried {CLAIM_TRIES} times, and not made"
    )))
}

async fn wait_before(tries: u32) {
    if tries > 0 {
        let wait = WRITE_AGAIN.0 * 2u32.pow(tries.min(16) - 1);
        sleep(wait.min(WRITE_AGAIN.1).mul_f64(0.5 + 0.5 * fastrand::f64())).await;
    }
}

/// `seen` with the attempt that a claim counts.
fn claimed(seen: Assignment) -> Assignment {
    Assignment {
        attempts: seen.attempts.saturating_add(1),
        ..seen
    }
}

/// Gives the lease on `held` back, and its attempt, once the store answers: until then nobody knows
/// whether the claim is there, or can write that it ended. If it is not, or was taken over, that
/// changes nothing.
pub(crate) fn give_back_once_answered(
    worker: &Worker,
    token: Token,
    held: Assignment,
    uploads: u32,
) {
    let (store, stopping) = (Arc::clone(&worker.store), worker.stopping.clone());
    let sent_at = held.sent_at.unwrap_or_else(Timestamp::now);
    let wake_at = worker
        .config
        .job
        .wake_at_after_send(sent_at, held.give_up_at);
    let release = transition::release(&token, &held, Budget::GiveBack, uploads, wake_at);
    let give_back = async move {
        let (mut wait, longest) = GIVE_BACK_AGAIN;
        loop {
            sleep(wait).await;
            match store.apply(&held.assignment_id, &release).await {
                Err(StoreError::Away(_)) => wait = (wait * 2).min(longest),
                Ok(Some(_)) => {
                    tracing::info!("the store answers again: an attempt is given back");
                    return;
                }
                Ok(None) | Err(StoreError::Unreadable { .. }) => return,
            }
        }
    };
    tokio::spawn(async move { stopping.run_until_cancelled(give_back).await }.in_current_span());
}

impl Lease {
    /// A lease that was requested at `asked`; its renewal starts now.
    fn hold_from(
        worker: &Worker,
        assignment: &Assignment,
        claim: Claim,
        asked: Instant,
        receipt: &Receipt,
    ) -> Self {
        let length = worker.config.job.claim;
        let (end, ends) = watch::channel(asked + length.mul_f64(OWN_SHARE));
        let lost = CancellationToken::new();
        let unanswered = Arc::new(AtomicBool::new(false));
        let renewal = Renewal {
            store: Arc::clone(&worker.store),
            queue: worker.queues.jobs.clone(),
            receipt: receipt.clone(),
            assignment_id: assignment.assignment_id.clone(),
            claim: claim.clone(),
            length,
            end,
            lost: lost.clone(),
            unanswered: Arc::clone(&unanswered),
        };
        Self {
            store: Arc::clone(&worker.store),
            assignment_id: assignment.assignment_id.clone(),
            model_calls: AtomicU32::new(assignment.model_calls),
            claim,
            ends,
            lost,
            unanswered,
            renewal: tokio::spawn(renewal.run().in_current_span()).abort_handle(),
        }
    }

    /// The fencing token.
    pub(crate) fn token(&self) -> &Token {
        &self.claim.token
    }

    /// Does `work` for as long as the lease is held and `stopping` is not cancelled.
    pub(crate) async fn hold<T>(
        &self,
        stopping: &CancellationToken,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(self.loss()),
            outcome = work => outcome,
            () = stopping.cancelled() => Err(JobError::Stopping),
        }
    }

    /// Why it is lost.
    fn loss(&self) -> JobError {
        match self.unanswered.load(Ordering::Relaxed) {
            true => JobError::StoreAway("the claim ran out while the store was away".to_owned()),
            false => JobError::ClaimLost("it ran out or was taken over"),
        }
    }

    /// The last writes of a job follow: they end the claim, which a renewal would take for a loss.
    pub(crate) fn stop_renewing(&self) {
        self.renewal.abort();
    }

    /// Counts a call to a model. Calls are counted one after another.
    pub(crate) async fn count_model_call(&self) -> Result<Written, JobError> {
        let so_far = self.model_calls.load(Ordering::Relaxed);
        let count = transition::count_model_call(self.token(), so_far);
        let written = self.write(&count).await?;
        if let Written::Done(after) = &written {
            self.model_calls.store(after.model_calls, Ordering::Relaxed);
        }
        Ok(written)
    }

    /// Carries out `transition`, whose guard has this lease's token. Tries again for as long as
    /// the lease lasts while the store does not answer, and [`WRITE_TRIES`] times while it only
    /// reads; what an earlier try has done is done, since nobody else has the token. Fenced is what
    /// its guard does not admit.
    ///
    /// # Errors
    /// [`JobError::ClaimLost`] or [`JobError::StoreAway`].
    pub(crate) async fn write(&self, transition: &Transition) -> Result<Written, JobError> {
        let mut tries = 0;
        loop {
            let applied = self
                .before_its_end(self.store.apply(&self.assignment_id, transition))
                .await?;
            self.unanswered.store(applied.is_err(), Ordering::Relaxed);
            let error = match applied {
                Ok(Some(after)) => return Ok(Written::Done(Box::new(after))),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            match self
                .before_its_end(self.store.get(&self.assignment_id))
                .await?
            {
                Ok(Some(now)) if transition.is_made_in(&now) => {
                    return Ok(Written::Done(Box::new(now)));
                }
                Ok(Some(now)) if transition.guard.admits(&now) => tries += 1,
                Ok(now) => return Ok(Written::Fenced(now.map(Box::new))),
                Err(away) => tracing::warn!(error = %away, "the store is away; trying again"),
            }
            let cause = error.map_or_else(String::new, |error| chain(&error));
            if tries >= WRITE_TRIES {
                return Err(JobError::StoreAway(format!(
                    "a write was tried {tries} times: {cause}"
                )));
            }
            tracing::warn!(cause, "a write was not done; trying again");
            wait_before(tries.max(1)).await;
        }
    }

    /// Whether `assignment` says that the lease is still held.
    pub(crate) fn holds(&self, assignment: &Assignment) -> bool {
        assignment.is_held_by(self.token()) && assignment.s3_upload_status == Status::Pending
    }

    async fn before_its_end<T>(&self, call: impl Future<Output = T>) -> Result<T, JobError> {
        let ends = *self.ends.borrow();
        timeout_at(ends, call).await.map_err(|_| self.loss())
    }
}

/// Keeps claim and message hidden from others.
struct Renewal {
    store: Arc<dyn Store>,
    queue: Queue,
    receipt: Receipt,
    assignment_id: String,
    claim: Claim,
    length: Duration,
    end: watch::Sender<Instant>,
    lost: CancellationToken,
    unanswered: Arc<AtomicBool>,
}

impl Renewal {
    async fn run(mut self) {
        // Whatever ends this, the holder must not work on.
        let lost = self.lost.clone().drop_guard();
        let mut wait = self.length / 3;
        loop {
            let ends = *self.end.borrow();
            sleep_until((Instant::now() + wait).min(ends)).await;
            if Instant::now() >= ends {
                tracing::warn!("the claim ran out before it could be renewed");
                break;
            }
            let asked = Instant::now();
            self.claim.until = Timestamp::now() + self.length;
            let renew = transition::renew(&self.claim, self.claim.until + SWEEP_AFTER);
            let renewed = timeout_at(ends, self.store.apply(&self.assignment_id, &renew)).await;
            let unanswered = matches!(renewed, Ok(Err(_)));
            self.unanswered.store(unanswered, Ordering::Relaxed);
            match renewed {
                Ok(Ok(Some(_))) => {
                    self.end
                        .send_replace(asked + self.length.mul_f64(OWN_SHARE));
                    self.hide_message().await;
                    wait = (asked + self.length / 3).saturating_duration_since(Instant::now());
                }
                Ok(Ok(None)) => break,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the claim was not renewed; trying again");
                    wait = (self.length / 20).max(WRITE_AGAIN.0);
                }
                Err(_) => wait = Duration::ZERO,
            }
        }
        drop(lost);
    }

    /// A message that becomes visible too early does no harm: its receiver finds the claim.
    async fn hide_message(&self) {
        let hidden = timeout_at(
            Instant::now() + self.length / 3,
            self.queue.change_visibility(&self.receipt, self.length),
        );
        if let Ok(Err(error)) = hidden.await {
            tracing::debug!(%error, "the message was not hidden for longer");
        }
    }
}
