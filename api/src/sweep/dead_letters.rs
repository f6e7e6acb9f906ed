//! Fails the assignments of dead letters; what is no job of ours stays for the operator.

use std::sync::Arc;
use std::time::Duration;

use atelier_shared::assignment::Status;
use atelier_shared::failure::Failure;
use atelier_shared::job::Job;
use atelier_shared::queue::{MAX_RECEIVE, Message, QueueError};
use atelier_shared::store::StoreError;
use atelier_shared::timestamp::Timestamp;

use crate::app::App;

/// How long one receive waits for a letter: a few calls a minute while there are none.
const WAIT: Duration = Duration::from_secs(20);

/// How long a letter that stays is not looked at again.
const VISIBILITY: Duration = Duration::from_secs(120);

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum LetterError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a letter is done with.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It can be deleted.
    Settled,
    /// It is looked at again later.
    Later,
    /// An operator has to look.
    Stays,
}

/// Reads dead letters until the process stops.
pub async fn run(app: Arc<App>) {
    let mut backoff = FIRST_BACKOFF;
    while !app.draining.is_cancelled() {
        let round = tokio::select! {
            () = app.draining.cancelled() => return,
            round = round(&app) => round,
        };
        match round {
            Ok(()) => backoff = FIRST_BACKOFF,
            Err(error) => {
                tracing::warn!(%error, "dead letters are read later");
                tokio::select! {
                    () = app.draining.cancelled() => return,
                    () = tokio::time::sleep(backoff) => {}
                }
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        }
    }
}

async fn round(app: &App) -> Result<(), LetterError> {
    let letters = &app.services.queues.dead_letters;
    for message in letters.receive(MAX_RECEIVE, WAIT, VISIBILITY).await? {
        match judge(app, &message).await? {
            Verdict::Settled => {
                letters.delete(&message.receipt).await?;
                app.letters.forget(&message.id);
            }
            Verdict::Later => {}
            Verdict::Stays => app.letters.keep(message),
        }
    }
    Ok(())
}

async fn judge(app: &App, message: &Message) -> Result<Verdict, StoreError> {
    let Ok(job) = Job::from_body(&message.body) else {
        tracing::warn!(message = message.id, "a dead letter cannot be read");
        return Ok(Verdict::Stays);
    };
    let Some(document) = app.store().get(&job.assignment_id).await? else {
        let assignment = job.assignment_id;
        tracing::warn!(message = message.id, assignment, "a dead letter of nobody");
        return Ok(Verdict::Stays);
    };
    if document.s3_upload_status != Status::Pending || document.round != job.round {
        return Ok(Verdict::Settled);
    }
    let now = Timestamp::now();
    if document.is_claimed(now) {
        return Ok(Verdict::Later);
    }
    let cause = format!(
        "the queue gave its job up after {} receives",
        message.receives
    );
    super::fail(app, &document, Failure::DeadLetter, &cause, now).await?;
    let after = app.store().get(&job.assignment_id).await?;
    let pending =
        after.is_some_and(|it| it.s3_upload_status == Status::Pending && it.round == job.round);
    Ok(if pending {
        Verdict::Later
    } else {
        Verdict::Settled
    })
}
