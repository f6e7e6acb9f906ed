//! Reads the dead letters: fails their assignments; a message that is no job of ours stays for an
//! operator.

use std::sync::Arc;
use std::time::Duration;

use atelier_cloud::dead_letters::{DeadLetter, DeadLetters, MAX_SEARCHED};
use atelier_cloud::queue::{MAX_RECEIVE, Message, Queue, QueueError};
use atelier_domain::assignment::Status;
use atelier_domain::dead_letter::Cause;
use atelier_domain::failure::Failure;
use atelier_domain::heartbeat::shortened;
use atelier_domain::job::Job;
use atelier_domain::timestamp::Timestamp;
use atelier_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::fail::fail_unclaimed;

/// How long one receive waits for a dead letter: a few calls a minute while there are none.
const WAIT: Duration = Duration::from_secs(20);

/// Visibility timeout while dead letters are looked at.
const VISIBILITY: Duration = Duration::from_secs(60);

/// Between two rounds while dead letters stay. They are visible meanwhile, to alarms and to
/// operators' own tools.
const PAUSE: Duration = Duration::from_secs(10);

/// The longest words of a cause, in characters.
const MAX_WORDS: usize = 300;

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What becomes of a dead letter.
#[derive(Debug, PartialEq, Eq)]
enum Disposition {
    /// Its assignment is settled: it can be deleted.
    Delete,
    /// A worker holds its assignment: it is looked at again later.
    Later,
    /// It is no job of ours: an operator has to look. With the cause in words.
    Stay(Cause, String),
}

/// The loop that reads the dead letters.
#[derive(Debug)]
pub struct DeadLetterReader {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Queue,
    pub(crate) staying: Arc<DeadLetters>,
    pub(crate) stop: CancellationToken,
}

impl DeadLetterReader {
    /// Reads dead letters until the process stops.
    pub async fn run(self) {
        let mut backoff = FIRST_BACKOFF;
        while !self.stop.is_cancelled() {
            let round = tokio::select! {
                () = self.stop.cancelled() => return,
                round = self.round() => round,
            };
            let pause = match &round {
                Ok(0) => Duration::ZERO,
                Ok(_) => PAUSE,
                Err(_) => backoff,
            };
            backoff = match round {
                Ok(_) => FIRST_BACKOFF,
                Err(error) => {
                    tracing::warn!(%error, "dead letters are read later");
                    (backoff * 2).min(MAX_BACKOFF)
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Looks at all dead letters that are visible. Returns how many stay.
    async fn round(&self) -> Result<usize, ReadError> {
        let mut staying = Vec::new();
        let mut wait = WAIT;
        while staying.len() < MAX_SEARCHED {
            let received = self.queue.receive(MAX_RECEIVE, wait, VISIBILITY).await?;
            if received.is_empty() {
                break;
            }
            wait = Duration::ZERO;
            for message in received {
                match self.settle(&message).await? {
                    Disposition::Delete => {
                        self.queue.delete(&message.receipt).await?;
                        self.staying.remove(&message.id);
                    }
                    Disposition::Later => {}
                    Disposition::Stay(cause, words) => {
                        self.keep(&message, cause, words);
                        staying.push(message);
                    }
                }
            }
        }
        self.queue.show(&staying).await;
        Ok(staying.len())
    }

    fn keep(&self, message: &Message, cause: Cause, words: String) {
        let letter = DeadLetter {
            message: message.clone(),
            cause,
            words: shortened(&words, MAX_WORDS),
        };
        if self.staying.keep(letter) {
            let (message, cause) = (&message.id, cause.code());
            tracing::warn!(
                message,
                cause,
                "a dead letter of no readable assignment stays"
            );
        }
    }

    async fn settle(&self, message: &Message) -> Result<Disposition, StoreError> {
        let job = match Job::from_body(&message.body) {
            Ok(job) => job,
            Err(error) => {
                let words = format!("The message is no job: {error}.");
                return Ok(Disposition::Stay(Cause::UnreadableMessage, words));
            }
        };
        let id = &job.assignment_id;
        let document = match self.store.get(id).await {
            Ok(Some(document)) => document,
            Ok(None) => {
                let words = format!("There is no assignment `{id}`.");
                return Ok(Disposition::Stay(Cause::UnknownAssignment, words));
            }
            Err(StoreError::Unreadable { source, .. }) => {
                let words = format!("The assignment `{id}` cannot be read: {source}.");
                return Ok(Disposition::Stay(Cause::UnreadableAssignment, words));
            }
            Err(away) => return Err(away),
        };
        if document.s3_upload_status != Status::Pending || document.round != job.round {
            return Ok(Disposition::Delete);
        }
        let now = Timestamp::now();
        if document.is_claimed(now) {
            return Ok(Disposition::Later);
        }
        let cause = format!(
            "the queue gave its job up after {} receives",
            message.receives
        );
        let store = self.store.as_ref();
        fail_unclaimed(store, &document, Failure::DeadLetter, &cause, now).await?;
        let after = self.store.get(&job.assignment_id).await?;
        let pending =
            after.is_some_and(|it| it.s3_upload_status == Status::Pending && it.round == job.round);
        Ok(if pending {
            Disposition::Later
        } else {
            Disposition::Delete
        })
    }
}
