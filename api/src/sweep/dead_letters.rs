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
use crate::fleet::letters::{MOST_LETTERS, give_back};

/// How long one receive waits for a letter: a few calls a minute while there are none.
const WAIT: Duration = Duration::from_secs(20);

/// How long letters are hidden while they are judged.
const VISIBILITY: Duration = Duration::from_secs(60);

/// Between two looks at letters that stay. They are visible meanwhile, to alarms and to operators'
/// own tools.
const PAUSE: Duration = Duration::from_secs(10);

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
        let pause = match round {
            Ok(staying) => {
                backoff = FIRST_BACKOFF;
                if staying > 0 { PAUSE } else { Duration::ZERO }
            }
            Err(error) => {
                tracing::warn!(%error, "dead letters are read later");
                let pause = backoff;
                backoff = (backoff * 2).min(MAX_BACKOFF);
                pause
            }
        };
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Looks at all letters that can be seen. Returns how many stay.
async fn round(app: &App) -> Result<usize, LetterError> {
    let letters = &app.services.queues.dead_letters;
    let mut staying = Vec::new();
    let mut wait = WAIT;
    while staying.len() < MOST_LETTERS {
        let received = letters.receive(MAX_RECEIVE, wait, VISIBILITY).await?;
        if received.is_empty() {
            break;
        }
        wait = Duration::ZERO;
        for message in received {
            match judge(app, &message).await? {
                Verdict::Settled => {
                    letters.delete(&message.receipt).await?;
                    app.letters.forget(&message.id);
                }
                Verdict::Later => {}
                Verdict::Stays => {
                    if app.letters.keep(message.clone()) {
                        tracing::warn!(
                            message = message.id,
                            "a dead letter that is nobody's job stays for an operator"
                        );
                    }
                    staying.push(message);
                }
            }
        }
    }
    give_back(letters, &staying).await;
    Ok(staying.len())
}

async fn judge(app: &App, message: &Message) -> Result<Verdict, StoreError> {
    let Ok(job) = Job::from_body(&message.body) else {
        return Ok(Verdict::Stays);
    };
    let Some(document) = app.store().get(&job.assignment_id).await? else {
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
